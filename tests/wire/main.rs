//! `wire LISTEN UPSTREAM`: between the deployed functions and the emulated AWS. Passes every call on, counts
//! it under the function that made it, and, while told to, delivers each message and event twice.
//!
//! `GET /_wire` tells the counts, `POST /_wire/twice` and `POST /_wire/once` turn the twins on and off.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what helps a test fails as the test does"
)]

mod caller;
mod operation;
mod twin;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, Response, StatusCode, Uri, header, request::Parts, uri::PathAndQuery},
    routing::{get, post},
};
use bytes::Bytes;
use serde::Serialize;
use tokio::net::TcpListener;
use tryon_core::ports::{ByteStream, HttpTransport, TransportError};
use tryon_providers::ReqwestTransport;

use caller::Caller;
use operation::Weight;

/// The emulator waits at most 20 s for messages.
const CALL: Duration = Duration::from_secs(60);

struct Wire {
    upstream: String,
    http: ReqwestTransport,
    twice: AtomicBool,
    counts: Mutex<Counts>,
}

/// By function, then by `service.Operation`.
type Counts = BTreeMap<String, BTreeMap<String, Count>>;

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Count {
    requests: u64,
    #[serde(flatten)]
    weight: Weight,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().expect("wire LISTEN UPSTREAM");
    let (listen, upstream) = (argument(), argument());
    let wire = Wire {
        upstream,
        http: ReqwestTransport::new().unwrap(),
        twice: AtomicBool::new(false),
        counts: Mutex::default(),
    };
    let app = Router::new()
        .route("/_wire", get(async |State(wire)| counts(&wire)))
        .route("/_wire/twice", post(async |State(wire)| turn(&wire, true)))
        .route("/_wire/once", post(async |State(wire)| turn(&wire, false)))
        .fallback(pass)
        .with_state(Arc::new(wire));
    let listener = TcpListener::bind(listen).await.unwrap();
    axum::serve(listener, app.into_make_service_with_connect_info::<Caller>()).await.unwrap();
}

fn counts(wire: &Arc<Wire>) -> String {
    serde_json::to_string(&*wire.counts.lock().unwrap()).unwrap()
}

fn turn(wire: &Arc<Wire>, twice: bool) {
    wire.twice.store(twice, Ordering::Relaxed);
}

async fn pass(
    State(wire): State<Arc<Wire>>,
    ConnectInfo(Caller(caller)): ConnectInfo<Caller>,
    request: Request,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return failed(StatusCode::BAD_REQUEST);
    };
    let operation = operation::name(&head);
    wire.count(caller, &operation, operation::weight(&operation, &body));
    let twin = wire.twice.load(Ordering::Relaxed).then(|| twin::of(&operation, &body)).flatten();
    let Ok(answer) = wire.send(&head, body).await else {
        return failed(StatusCode::BAD_GATEWAY);
    };
    if let Some(twin) = twin.filter(|_| answer.status().is_success()) {
        // As AWS delivers twice: whoever sent it never hears of it.
        wire.send(&head, twin).await.map(drop).unwrap_or_default();
    }
    let (mut head, body) = answer.into_parts();
    without_hops(&mut head.headers);
    Response::from_parts(head, Body::from_stream(body))
}

fn failed(status: StatusCode) -> Response<Body> {
    let mut answer = Response::default();
    *answer.status_mut() = status;
    answer
}

impl Wire {
    fn count(&self, caller: String, operation: &str, weight: Weight) {
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry(caller).or_default().entry(operation.to_owned()).or_default();
        count.requests += 1;
        count.weight += weight;
    }

    async fn send(
        &self,
        head: &Parts,
        body: Bytes,
    ) -> Result<Response<ByteStream>, TransportError> {
        let mut request = axum::http::Request::new(tryon_core::ports::Body::from(body));
        *request.method_mut() = head.method.clone();
        let path = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        *request.uri_mut() = format!("{}{path}", self.upstream).parse::<Uri>().unwrap();
        *request.headers_mut() = head.headers.clone();
        without_hops(request.headers_mut());
        // A twin's is another. The host stays: addresses are signed with it.
        request.headers_mut().remove(header::CONTENT_LENGTH);
        self.http.send(request, CALL).await
    }
}

/// What speaks of one connection alone.
fn without_hops(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::EXPECT] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}
