//! Services played by a closure, for what the emulated ones never answer.

use std::sync::{Arc, Mutex};

use aws_config::Region;
use aws_credential_types::Credentials;
use aws_smithy_http_client::test_util::infallible_client_fn;
use aws_smithy_runtime_api::client::http::HttpClient;
use http::Response;
use serde_json::{Value, json};

use super::SECRET;
use crate::{Clients, clients::config};

/// A request as the service gets it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// How many came before it.
    pub(crate) n: usize,
    /// Such as `PutItem`.
    pub(crate) operation: String,
    pub(crate) body: Value,
}

pub(crate) type Requests = Arc<Mutex<Vec<Request>>>;

/// Clients of a JSON service that gives `answer`, and the requests it got.
pub(crate) fn played(
    answer: impl Fn(&Request) -> (u16, Value) + Send + Sync + 'static,
) -> (Arc<Clients>, Requests) {
    let requests = Requests::default();
    let seen = requests.clone();
    let service = infallible_client_fn(move |request| {
        let target = request.headers().get("x-amz-target").map(|target| target.to_str().unwrap());
        let operation = target.and_then(|target| target.split('.').next_back()).unwrap_or_default();
        let body = request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
        let mut seen = seen.lock().unwrap();
        let request = Request {
            n: seen.len(),
            operation: operation.to_owned(),
            body: body.unwrap_or_default(),
        };
        let (status, body) = answer(&request);
        seen.push(request);
        Response::builder().status(status).body(body.to_string()).unwrap()
    });
    (over(service), requests)
}

/// Clients with the credentials of nobody.
pub(crate) fn over(http: impl HttpClient + 'static) -> Arc<Clients> {
    let nobody = Credentials::new("AKID", SECRET, None, None, "tests");
    Arc::new(Clients::new(config(http, Some(Region::new("us-east-1")), nobody)))
}

/// An error answer of a JSON service.
pub(crate) fn refusal(status: u16, code: &str) -> (u16, Value) {
    (status, json!({"__type": format!("com.amazonaws#{code}"), "message": SECRET}))
}
