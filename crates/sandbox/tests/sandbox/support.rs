use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::DateTime;
use futures_util::TryStreamExt;
use http::{HeaderMap, Method, Request, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tryon_core::{
    memory::TokioClock,
    ports::{Body, Clock, HttpTransport, TransportError},
};
use tryon_sandbox::{JobTime, Latency, Pictures, SCOPE, Sandbox, SandboxConfig};

pub(crate) const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
pub(crate) const DEVELOPER: &str = "https://generativelanguage.googleapis.com";
pub(crate) const MODEL: &str = "gemini-nano-banana-2.1";
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: Arc<TokioClock>,
    transport: Arc<dyn HttpTransport>,
    token: String,
}

/// Canned pictures, no latency, jobs of 100 s.
pub(crate) fn config() -> SandboxConfig {
    SandboxConfig {
        seed: 1,
        project: "shop".to_owned(),
        api_key: Some("key-1".to_owned()),
        latency: Latency::None,
        job_time: JobTime::Fixed(Duration::from_secs(100)),
        pictures: Pictures::Canned { bytes: 1_000 },
        ..SandboxConfig::default()
    }
}

impl Bench {
    pub(crate) async fn new(config: SandboxConfig) -> Self {
        let mut bench = Self::without_token(config);
        let answer = bench.exchange(&bench.assertion(|_| {})).await;
        bench.token = answer.json()["access_token"].as_str().unwrap().to_owned();
        bench
    }

    pub(crate) fn without_token(config: SandboxConfig) -> Self {
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let clock = Arc::new(TokioClock::starting_at(start));
        let sandbox = Sandbox::new(config, clock.clone());
        Self { transport: sandbox.transport(), clock, sandbox, token: String::new() }
    }

    pub(crate) fn assertion(&self, change: impl FnOnce(&mut Value)) -> String {
        assertion(&self.sandbox, self.clock.as_ref(), change)
    }

    pub(crate) async fn exchange(&self, assertion: &str) -> Answer {
        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        let form = format!("grant_type={grant}&assertion={assertion}");
        let request = Request::post(TOKEN_URI).body(Body::from(form)).unwrap();
        self.send(request, PATIENCE).await.unwrap()
    }

    pub(crate) async fn send(
        &self,
        request: Request<Body>,
        timeout: Duration,
    ) -> Result<Answer, TransportError> {
        let (parts, body) = self.transport.send(request, timeout).await?.into_parts();
        let pieces: Vec<_> =
            body.try_collect().await.map_err(|e| TransportError::NoAnswer(e.to_string()))?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: pieces.concat() })
    }

    pub(crate) async fn try_call(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Result<Answer, TransportError> {
        let mut request = Request::builder().method(method).uri(url);
        if !headers.iter().any(|(name, _)| *name == "x-goog-api-key") {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap(), PATIENCE).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.try_call(Method::GET, &format!("{DEVELOPER}{path}"), &[], "").await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.try_post(path, body).await.unwrap()
    }

    pub(crate) async fn try_post(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<Answer, TransportError> {
        self.try_call(Method::POST, &format!("{DEVELOPER}{path}"), &[], body.to_string()).await
    }

    pub(crate) async fn generate(&self, body: &Value) -> Answer {
        self.post(&format!("/v1beta/models/{MODEL}:generateContent"), body).await
    }

    pub(crate) async fn try_generate(&self, body: &Value) -> Result<Answer, TransportError> {
        self.try_post(&format!("/v1beta/models/{MODEL}:generateContent"), body).await
    }

    /// Uploads `text` in one piece and returns the file's name.
    pub(crate) async fn upload(&self, name: &str, text: &str) -> String {
        let url = self.begin(name, text.len()).await;
        let answer = self.piece(&url, 0, "upload, finalize", text).await;
        assert_eq!(answer.header("x-goog-upload-status"), "final");
        answer.json()["file"]["name"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn begin(&self, name: &str, length: usize) -> String {
        let url = format!("{DEVELOPER}/upload/v1beta/files");
        let length = length.to_string();
        let headers = [
            ("x-goog-upload-protocol", "resumable"),
            ("x-goog-upload-command", "start"),
            ("x-goog-upload-header-content-length", length.as_str()),
            ("x-goog-upload-header-content-type", "application/jsonl"),
        ];
        let body = json!({"file": {"display_name": name}}).to_string();
        let answer = self.try_call(Method::POST, &url, &headers, body).await.unwrap();
        answer.header("x-goog-upload-url").to_owned()
    }

    pub(crate) async fn piece(
        &self,
        url: &str,
        offset: usize,
        command: &str,
        text: &str,
    ) -> Answer {
        let offset = offset.to_string();
        let headers =
            [("x-goog-upload-offset", offset.as_str()), ("x-goog-upload-command", command)];
        self.try_call(Method::POST, url, &headers, text.to_owned()).await.unwrap()
    }

    pub(crate) async fn create(&self, name: &str, file: &str) -> Answer {
        self.try_create(name, file).await.unwrap()
    }

    pub(crate) async fn try_create(
        &self,
        name: &str,
        file: &str,
    ) -> Result<Answer, TransportError> {
        let body = json!({"batch": {"displayName": name, "inputConfig": {"fileName": file}}});
        self.try_post(&format!("/v1beta/models/{MODEL}:batchGenerateContent"), &body).await
    }

    /// Uploads rows with these keys, makes a job of them and returns its name.
    pub(crate) async fn job(&self, name: &str, keys: &[&str]) -> String {
        let rows: String = keys.iter().map(|key| row(key, &request("dress"))).collect();
        let file = self.upload(name, &rows).await;
        let answer = self.create(name, &file).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()["name"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn state(&self, job: &str) -> String {
        let answer = self.get(&format!("/v1beta/{job}")).await.json();
        let state = answer["metadata"]["state"].as_str().unwrap();
        state.strip_prefix("BATCH_STATE_").unwrap().to_owned()
    }

    /// The rows of a job's result file.
    pub(crate) async fn results(&self, job: &str) -> Vec<Value> {
        let answer = self.get(&download(job)).await;
        assert_eq!(answer.status, 200);
        let text = String::from_utf8(answer.body).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }
}

/// A signed assertion with its claims changed.
pub(crate) fn assertion(
    sandbox: &Sandbox,
    clock: &dyn Clock,
    change: impl FnOnce(&mut Value),
) -> String {
    let key: Value = serde_json::from_str(&sandbox.service_account_json()).unwrap();
    let now = clock.now().timestamp();
    let mut claims = json!({"iss": key["client_email"], "scope": SCOPE, "aud": TOKEN_URI,
                            "iat": now - 5, "exp": now + 3_595});
    change(&mut claims);
    let mut header = Header::new(Algorithm::RS256);
    header.kid = key["private_key_id"].as_str().map(str::to_owned);
    let pem = key["private_key"].as_str().unwrap();
    encode(&header, &claims, &EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()).unwrap()
}

pub(crate) fn download(job: &str) -> String {
    let id = job.strip_prefix("batches/").unwrap();
    format!("/download/v1beta/files/batch-{id}:download?alt=media")
}

/// A request with two pictures at 1K.
pub(crate) fn request(prompt: &str) -> Value {
    let picture = |bytes: &str| {
        let data = BASE64_STANDARD.encode(bytes);
        json!({"inlineData": {"mimeType": "image/jpeg", "data": data}})
    };
    let parts = [json!({"text": prompt}), picture("person"), picture("garment")];
    json!({
        "contents": [{"role": "user", "parts": parts}],
        "generationConfig": {
            "responseModalities": ["IMAGE"],
            "imageConfig": {"aspectRatio": "3:4", "imageSize": "1K"},
            "thinkingConfig": {"thinkingLevel": "MINIMAL"},
            "maxOutputTokens": 4_096,
        },
    })
}

pub(crate) fn row(key: &str, request: &Value) -> String {
    format!("{}\n", json!({"key": key, "request": request}))
}
