//! AWS as a script: what was sent is kept, and answered by a function.

pub(crate) mod played;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
            http_client_fn,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tryon_core::{
    contract::{fixtures, written::Written},
    memory::TokioClock,
    ports::Clock,
};

/// What no log, error or `Debug` may show.
pub(crate) const SECRET: &str = "hush-hush-4711";

/// The secret of the credentials.
const KEY: &str = "wJalrXUtnFEMI";

/// A call as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// The operation, such as `AmazonSSM.GetParameters`; the method for S3.
    pub(crate) target: String,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Sent {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// An answer; none: no connection.
pub(crate) type Answer = Option<HttpResponse>;

pub(crate) fn json(status: u16, body: &Value) -> Answer {
    answer(status, &[], body.to_string())
}

/// A refusal by a service that speaks JSON. The message repeats a secret, as messages do.
pub(crate) fn refusal(status: u16, code: &str) -> Answer {
    json(status, &serde_json::json!({"__type": code, "message": SECRET}))
}

#[expect(clippy::unnecessary_wraps, reason = "a script may also give no answer")]
pub(crate) fn answer(
    status: u16,
    headers: &[(&'static str, &str)],
    body: impl Into<SdkBody>,
) -> Answer {
    let mut answer = HttpResponse::new(StatusCode::try_from(status).unwrap(), body.into());
    for (name, value) in headers {
        answer.headers_mut().insert(*name, (*value).to_owned());
    }
    Some(answer)
}

type Script = Box<dyn FnMut(&Sent) -> Answer + Send>;

#[derive(Clone)]
pub(crate) struct Wire(Arc<Inner>);

struct Inner {
    sent: Mutex<Vec<Sent>>,
    script: Mutex<Script>,
    clock: TokioClock,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    /// Each answer takes 10 ms.
    pub(crate) fn new(script: impl FnMut(&Sent) -> Answer + Send + 'static) -> Self {
        Self(Arc::new(Inner {
            sent: Mutex::default(),
            script: Mutex::new(Box::new(script)),
            clock: TokioClock::starting_at(fixtures::start()),
        }))
    }

    /// These answers one by one; then no connection.
    pub(crate) fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers = answers.into_iter().collect::<Vec<_>>().into_iter();
        Self::new(move |_| answers.next().flatten())
    }

    /// The calls since the last look.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.0.sent.lock().unwrap())
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.0.clock.clone())
    }

    /// Without the SDK's own retries, so that calls can be counted.
    pub(crate) fn config(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        let client: SharedHttpClient = http_client_fn(move |_, _| connector.clone());
        let credentials = Credentials::new("AKIDEXAMPLE", KEY, None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(client)
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .build()
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let header = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let target = request.headers().get("x-amz-target").unwrap_or(request.method());
        let sent = Sent {
            target: target.to_owned(),
            uri: request.uri().to_owned(),
            headers: request.headers().iter().map(header).collect(),
            body: request.body().bytes().unwrap_or_default().to_vec(),
        };
        let answer = (self.0.script.lock().unwrap())(&sent);
        self.0.sent.lock().unwrap().push(sent);
        let clock = self.clock();
        HttpConnectorFuture::new(async move {
            clock.sleep(Duration::from_millis(10)).await;
            answer.ok_or_else(|| ConnectorError::io("no connection".into()))
        })
    }
}

/// What is logged, the SDKs' debugging lines included. (Their traces hold whole answers.)
#[derive(Clone, Default)]
pub(crate) struct Log(Written);

impl Log {
    pub(crate) fn during(&self, work: impl FnOnce()) {
        tracing::subscriber::with_default(self.subscriber(), work);
    }

    pub(crate) fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + use<> {
        let log = self.0.clone();
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || log.clone())
            .finish()
    }

    pub(crate) fn take(&self) -> String {
        self.0.take()
    }
}

/// The query of an address, in pairs as they stand in it.
pub(crate) fn query(url: &str) -> BTreeMap<&str, &str> {
    let (_, query) = url.split_once('?').unwrap();
    query.split('&').map(|pair| pair.split_once('=').unwrap()).collect()
}

/// The signature that an address must have, worked out from its parts by the book (`SigV4`, query
/// parameters). `headers` are all that are signed, in order.
pub(crate) fn signature(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    payload: &str,
    clock: &dyn Clock,
) -> String {
    let (base, _) = url.split_once('?').unwrap();
    let (_, path) = base.split_once("://").unwrap().1.split_once('/').unwrap();
    let signed = query(url);
    let pairs = signed.iter().filter(|(name, _)| **name != "X-Amz-Signature");
    let pairs: Vec<_> = pairs.map(|(name, value)| format!("{name}={value}")).collect();
    let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(signed["X-Amz-SignedHeaders"], names.join("%3B"));
    let (query, lines, names) = (pairs.join("&"), lines.join("\n"), names.join(";"));
    let request = format!("{method}\n/{path}\n{query}\n{lines}\n\n{names}\n{payload}");
    let credential = signed["X-Amz-Credential"].replace("%2F", "/");
    let scope = credential.strip_prefix("AKIDEXAMPLE/").unwrap();
    let service = scope.split('/').nth(2).unwrap();
    let date = clock.now().format("%Y%m%dT%H%M%SZ").to_string();
    assert_eq!(signed["X-Amz-Date"], date);
    let hash = Sha256::digest(request);
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash:x}");
    let key = generate_signing_key(KEY, clock.now().into(), "eu-west-1", service);
    calculate_signature(key, text.as_bytes())
}
