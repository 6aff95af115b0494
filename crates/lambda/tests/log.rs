//! What is logged. Alone in its process: a place that logs for the first time in another test's
//! thread, while a subscriber is being set, may stay silent for good.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tryon_core::{
    contract::{fixtures::start, written::Written},
    memory::{Chaos, MemoryQueues, TokioClock},
    messages::WireMessage,
    stages::{Consumer, Invocation, StageError},
};
use tryon_lambda::{AccumulatorHandler, Handler, ImagenHandler};

/// Puts off whatever comes.
#[derive(Debug)]
struct NotNow;

#[async_trait]
impl<M: WireMessage + Send + 'static> Consumer<M> for NotNow {
    async fn consume(&self, messages: Vec<M>, _: &Invocation) -> Vec<Result<(), StageError>> {
        messages.iter().map(|_| Err(StageError::retry("not now"))).collect()
    }
}

fn event(name: &str) -> Value {
    let path = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test]
async fn the_log_names_messages_and_quotes_none() {
    let log = Written::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let clock = Arc::new(TokioClock::starting_at(start()));
    let queues = Arc::new(MemoryQueues::new(clock, Arc::new(Chaos::seeded(1))));
    let call = Invocation { deadline: start() };
    let accumulator = AccumulatorHandler::new(Arc::new(NotNow), queues.clone());
    accumulator.call(event("accumulator.poison"), call).await.unwrap();
    let imagen = ImagenHandler::new(Arc::new(NotNow), queues);
    imagen.call(event("imagen.online"), call).await.unwrap();
    let text = log.text();
    assert!(text.lines().count() >= 4, "{text}");
    let poison = &event("accumulator.poison")["Records"][1]["messageId"];
    for named in [poison.as_str().unwrap(), "019cb3a1-9e00-7000-8000-5f0c1d2e3a4b/gemini/1"] {
        assert!(text.contains(named), "{named} not in {text}");
    }
    for private in ["alice", "denim", "daylight", "in/9b1d"] {
        assert!(!text.contains(private), "{private} in {text}");
    }
}
