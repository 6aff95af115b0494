//! The deployed stack as its users see it: the functions, the queues, the store.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{Method, Request};
use serde_json::{Value, json};
use tryon_aws::Clients;
use tryon_core::{
    ids::RenderId,
    ports::{Body, Clock, HttpTransport, Renders},
    render::Render,
};
use tryon_lambda::system::SystemClock;
use tryon_local::arrivals::CANNED_PHOTO;
use tryon_postgres::{Database, DatabaseConfig, TlsMode};
use tryon_providers::ReqwestTransport;
use tryon_sandbox::{Bucket, JobTime, Latency, Pictures, Sandbox, SandboxConfig};

const CALL: Duration = Duration::from_secs(30);
/// What the local stack promises nobody to take longer than.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Stack {
    pub(super) clients: Clients,
    pub(super) database: Database,
    pub(super) sandbox: Sandbox,
    http: ReqwestTransport,
    outputs: BTreeMap<String, String>,
}

/// Fails with the name of what `tests/deployed` gives.
#[expect(clippy::disallowed_methods, reason = "where the stack is, only the environment says")]
pub(super) fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run by tests/deployed"))
}

impl Stack {
    pub(super) async fn find() -> Self {
        let outputs = fs::read_to_string(given("TRYON_TEST_OUTPUTS")).unwrap();
        let url = given("TRYON_TEST_POSTGRES_URL");
        Self {
            clients: Clients::from_env().await,
            database: Database::new(DatabaseConfig::new(&url, TlsMode::Off).unwrap()),
            sandbox: providers(),
            http: ReqwestTransport::new().unwrap(),
            outputs: serde_json::from_str(&outputs).unwrap(),
        }
    }

    pub(super) fn output(&self, name: &str) -> &str {
        &self.outputs[name]
    }

    /// Calls a function as Lambda's API does.
    pub(super) async fn invoke(&self, function: &str, event: &Value) -> Value {
        let endpoint = given("TRYON_TEST_AWS_ENDPOINT");
        let url = format!("{endpoint}/2015-03-31/functions/tryon-{function}-local/invocations");
        // The emulator tells services apart by the scope of a signature it does not check.
        let scope = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, \
            SignedHeaders=host, Signature=none";
        let request = Request::post(url).header("authorization", scope);
        let request = request.body(Body::from(event.to_string())).unwrap();
        let (status, answer) = self.call(request).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }

    /// Asks the router as the API gateway does for a trusted backend: the status and the answer.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        query: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> (u64, Value) {
        let mut event: Value =
            serde_json::from_str(include_str!("../../../events/router.create.json")).unwrap();
        let route = match path {
            "/v1/renders" | "/v1/uploads" => format!("{method} {path}"),
            _ => format!("{method} /v1/renders/{{id}}"),
        };
        event["routeKey"] = json!(route);
        event["requestContext"]["routeKey"] = json!(route);
        event["rawPath"] = json!(path);
        event["rawQueryString"] = json!(query);
        event["requestContext"]["http"]["method"] = json!(method);
        event["requestContext"]["http"]["path"] = json!(path);
        event["headers"]["idempotency-key"] = key.map_or(Value::Null, |key| json!(key));
        let text = body.map(Value::to_string);
        event["headers"]["content-length"] =
            json!(text.as_ref().map_or(0, String::len).to_string());
        event["body"] = json!(text);
        if let Some(headers) = event["headers"].as_object_mut() {
            headers.retain(|_, value| !value.is_null());
        }
        let answer = self.invoke("router", &event).await;
        let body = answer["body"].as_str().unwrap_or_default();
        (
            answer["statusCode"].as_u64().unwrap_or_default(),
            serde_json::from_str(body).unwrap_or_default(),
        )
    }

    /// Uploads a picture for the user, at the address that the router signs.
    pub(super) async fn upload(&self, user: &str) -> String {
        let length = CANNED_PHOTO.len();
        let wish = json!({"user_id": user, "content_type": "image/jpeg", "bytes": length});
        let (status, place) = self.ask("POST", "/v1/uploads", "", None, Some(&wish)).await;
        assert_eq!(status, 201, "{place}");
        let mut request = Request::put(place["url"].as_str().unwrap());
        for (name, value) in place["headers"].as_object().unwrap() {
            // The transport counts for itself.
            if name != "content-length" {
                request = request.header(name, value.as_str().unwrap());
            }
        }
        let body = Body::from(Bytes::from_static(CANNED_PHOTO));
        let (status, answer) = self.call(request.body(body).unwrap()).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        place["key"].as_str().unwrap().to_owned()
    }

    /// A render of a new user; `more` fields change what is asked for.
    pub(super) async fn render(&self, prompt: &str, more: &Value) -> RenderId {
        let shopper = self.shopper().await;
        self.render_for(&shopper, "key", prompt, more).await
    }

    pub(super) async fn render_for(
        &self,
        shopper: &Shopper,
        key: &str,
        prompt: &str,
        more: &Value,
    ) -> RenderId {
        for _ in 0..5 {
            let (status, answer) = self.accept(shopper, key, prompt, more).await;
            if let (200 | 202, Some(id)) = (status, answer["render_id"].as_str()) {
                return RenderId::from(id);
            }
            // Whoever gets no answer, or a server's error, asks again with the same key.
            assert!(status == 0 || status >= 500, "{status}: {answer}");
        }
        panic!("the router does not accept");
    }

    pub(super) async fn accept(
        &self,
        Shopper { user, photo }: &Shopper,
        key: &str,
        prompt: &str,
        more: &Value,
    ) -> (u64, Value) {
        let mut body = json!({
            "user_id": user,
            "person": {"photo": photo, "class_noun": "woman"},
            "garments": [{"photo": photo, "category": "shirt", "description": "a blue shirt"}],
            "quality": "sd",
            "prompt": prompt,
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.ask("POST", "/v1/renders", "", Some(key), Some(&body)).await
    }

    pub(super) async fn shopper(&self) -> Shopper {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let user = format!("shopper-{}-{n}", std::process::id());
        let photo = self.upload(&user).await;
        Shopper { user, photo }
    }

    /// The row of the render once it has ended.
    pub(super) async fn ended(&self, id: &RenderId) -> Render {
        let row = async || {
            let found = self.database.get(std::slice::from_ref(id)).await;
            found.ok().and_then(|mut rows| rows.pop())
        };
        let since = SystemClock.now();
        loop {
            let row = row().await;
            if let Some(row) = row.as_ref().filter(|row| row.is_ended() && row.owed.is_empty()) {
                return row.clone();
            }
            let waited = (SystemClock.now() - since).to_std().unwrap_or_default();
            assert!(waited < PATIENCE, "{row:#?}");
            SystemClock.sleep(Duration::from_millis(250)).await;
        }
    }

    /// What lies at an address.
    pub(super) async fn fetch(&self, url: &str) -> (u16, Bytes) {
        self.call(Request::get(url).body(Body::empty()).unwrap()).await
    }

    async fn call(&self, request: Request<Body>) -> (u16, Bytes) {
        let response = self.http.send(request, CALL).await.unwrap();
        let status = response.status().as_u16();
        let pieces: Vec<_> = response.into_body().try_collect().await.unwrap();
        (status, pieces.concat().into())
    }
}

/// A user with a picture.
pub(super) struct Shopper {
    pub(super) user: String,
    pub(super) photo: String,
}

/// Both providers, on the port at which the stack expects them, for as long as the process lasts.
fn providers() -> Sandbox {
    static PROVIDERS: OnceLock<Sandbox> = OnceLock::new();
    let start = || {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(serve(&sender));
        });
        receiver.recv().unwrap()
    };
    PROVIDERS.get_or_init(start).clone()
}

async fn serve(started: &mpsc::Sender<Sandbox>) {
    let base = given("TRYON_TEST_PROVIDERS");
    let config = SandboxConfig {
        pictures: Pictures::Canned { bytes: 50_000 },
        latency: Latency::Fixed(Duration::from_secs(1)),
        job_time: JobTime::Fixed(Duration::from_secs(6)),
        // The functions find this one at the address above, too.
        delivery_url: Some("https://replicate.delivery".to_owned()),
        ..SandboxConfig::default()
    };
    let catalogue = tryon_core::catalogue::Catalogue::built_in().unwrap();
    let sandbox = Sandbox::new(config.priced_by(&catalogue), std::sync::Arc::new(SystemClock));
    sandbox.set_bucket(std::sync::Arc::new(HttpBucket(ReqwestTransport::new().unwrap())));
    let clients = Clients::from_env().await;
    let account = sandbox.service_account_json_at(&format!("{base}/token"));
    for (name, text) in [
        ("/garmaxai/gemini/local/service-account-json", account.as_str()),
        ("/garmaxai/replicate/local/api-token", sandbox.replicate_token()),
    ] {
        let put = clients.ssm().put_parameter().name(name).value(text).overwrite(true);
        put.r#type("SecureString".into()).send().await.unwrap();
    }
    let address = base.strip_prefix("http://").unwrap().parse().unwrap();
    let server = sandbox.serve(address, std::future::pending()).await.unwrap();
    started.send(sandbox).unwrap();
    server.run().await.unwrap();
}

/// Input pictures, read over HTTP as a provider does.
#[derive(Debug)]
struct HttpBucket(ReqwestTransport);

#[async_trait]
impl Bucket for HttpBucket {
    async fn read(&self, url: &str) -> Option<Bytes> {
        let request = Request::builder().method(Method::GET).uri(url).body(Body::empty()).ok()?;
        let response = self.0.send(request, CALL).await.ok()?;
        let good = response.status().is_success();
        let pieces: Vec<_> = response.into_body().try_collect().await.ok()?;
        good.then(|| pieces.concat().into())
    }
}
