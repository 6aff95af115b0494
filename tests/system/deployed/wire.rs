//! What runs between the functions and AWS, see tests/wire.

use std::collections::BTreeMap;

use http::Request;
use serde::Deserialize;
use tryon_core::ports::Body;

use super::stack::{Stack, given};

/// The calls of one operation; tests/wire counts more.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Count {
    pub(super) requests: u64,
    /// Messages, events or items.
    pub(super) entries: u64,
    /// Of 64 KB, as SQS and `EventBridge` bill them.
    pub(super) chunks: u64,
    pub(super) bytes: u64,
}

/// By function (`client`: whoever is none), then by `service.Operation`, since the stack began.
pub(super) type Counts = BTreeMap<String, BTreeMap<String, Count>>;

impl Stack {
    pub(super) async fn counts(&self) -> Counts {
        let (status, answer) = self.fetch(&format!("{}/_wire", given("TRYON_TEST_WIRE"))).await;
        assert_eq!(status, 200);
        serde_json::from_slice(&answer).unwrap()
    }

    /// Whether each message and event is delivered twice from now on.
    pub(super) async fn deliver_twice(&self, twice: bool) {
        let how = if twice { "twice" } else { "once" };
        let request = Request::post(format!("{}/_wire/{how}", given("TRYON_TEST_WIRE")));
        let (status, _) = self.call(request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, 200);
    }

    /// How many messages and events the functions have sent.
    pub(super) async fn sent(&self) -> u64 {
        let counts = self.counts().await;
        let calls = counts.values().flatten();
        let sends = ["sqs.SendMessage", "sqs.SendMessageBatch", "events.PutEvents"];
        calls.filter(|(name, _)| sends.contains(&name.as_str())).map(|(_, c)| c.entries).sum()
    }
}
