//! The deployed stack: the functions, the queues, the store.

use std::{collections::BTreeMap, fs, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::Request;
use serde_json::{Value, json};
use tryon_aws::Clients;
use tryon_core::ports::{Body, HttpTransport};
use tryon_postgres::{Database, DatabaseConfig, TlsMode};
use tryon_providers::ReqwestTransport;
use tryon_sandbox::Sandbox;

use super::{providers::providers, turn::Turn};

pub(super) const CALL: Duration = Duration::from_secs(30);

pub(super) struct Stack {
    pub(super) clients: Arc<Clients>,
    pub(super) database: Database,
    pub(super) sandbox: Sandbox,
    pub(super) turn: Turn,
    http: ReqwestTransport,
    outputs: BTreeMap<String, String>,
}

/// Fails with the name of what `tests/deployed` gives.
#[expect(clippy::disallowed_methods, reason = "where the stack is, only the environment says")]
pub(super) fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run by tests/deployed"))
}

impl Stack {
    pub(super) async fn find(turn: Turn) -> Self {
        let outputs = fs::read_to_string(given("TRYON_TEST_OUTPUTS")).unwrap();
        let url = given("TRYON_TEST_POSTGRES_URL");
        Self {
            clients: Arc::new(Clients::from_env().await),
            database: Database::new(DatabaseConfig::new(&url, TlsMode::Off).unwrap()),
            sandbox: providers(),
            turn,
            http: ReqwestTransport::new().unwrap(),
            outputs: serde_json::from_str(&outputs).unwrap(),
        }
    }

    pub(super) fn output(&self, name: &str) -> &str {
        &self.outputs[name]
    }

    /// The queues of what was put aside, and of what the bus could not deliver.
    pub(super) fn dead_letters(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_dead = |name: &str| name.ends_with("DlqUrl") || name == "UndeliveredQueueUrl";
        let outputs = self.outputs.iter().filter(move |(name, _)| is_dead(name));
        outputs.map(|(name, url)| (name.as_str(), url.as_str()))
    }

    /// Calls a function as Lambda's API does.
    pub(super) async fn invoke(&self, function: &str, event: &Value) -> Value {
        let path = format!("/2015-03-31/functions/tryon-{function}-local/invocations");
        self.ask_aws("lambda", &path, "", event).await
    }

    /// The last lines that a function logged at this level.
    pub(super) async fn logged(&self, function: &str, level: &str) -> Vec<String> {
        let query = json!({
            "logGroupName": format!("/aws/lambda/tryon-{function}-local"),
            "filterPattern": level,
        });
        let found = self.ask_aws("logs", "/", "Logs_20140328.FilterLogEvents", &query).await;
        let lines = found["events"].as_array().into_iter().flatten();
        let level = format!("\"level\":\"{level}\"");
        let lines = lines.filter_map(|line| line["message"].as_str());
        let lines: Vec<_> = lines.filter(|line| line.contains(&level)).collect();
        lines.iter().rev().take(5).rev().map(|line| (*line).to_owned()).collect()
    }

    /// A call of AWS for which there is no client here.
    pub(super) async fn ask_aws(
        &self,
        service: &str,
        path: &str,
        target: &str,
        body: &Value,
    ) -> Value {
        let endpoint = given("TRYON_TEST_AWS_ENDPOINT");
        // The emulator tells services apart by the scope of a signature it does not check.
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, \
            SignedHeaders=host, Signature=none"
        );
        let mut request = Request::post(format!("{endpoint}{path}")).header("authorization", scope);
        if !target.is_empty() {
            request = request.header("x-amz-target", target);
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        let (status, answer) = self.call(request).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }

    /// What lies at an address.
    pub(super) async fn fetch(&self, url: &str) -> (u16, Bytes) {
        self.call(Request::get(url).body(Body::empty()).unwrap()).await
    }

    pub(super) async fn call(&self, request: Request<Body>) -> (u16, Bytes) {
        let response = self.http.send(request, CALL).await.unwrap();
        let status = response.status().as_u16();
        let pieces: Vec<_> = response.into_body().try_collect().await.unwrap();
        (status, pieces.concat().into())
    }
}
