use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use tryon_core::{
    contract::fixtures::start,
    memory::{Call, Chaos, MemoryQueues, Mishap, TokioClock},
    messages::{PipelineEvent, ToAccumulator, ToImagen, ToReplicate},
};

use super::*;
use crate::{
    AccumulatorHandler, DistributorHandler, ImagenHandler, ReplicateHandler,
    handler::{Handler, HandlerError},
    testing::{event, events},
};

/// Remembers each call's messages, and fails those the script names.
#[derive(Debug, Default)]
struct Script {
    calls: Mutex<Vec<Vec<Value>>>,
    fail: Option<(&'static str, Option<StageError>)>,
}

impl Script {
    /// Messages whose JSON holds `text` end so; without an error the stage forgets to answer.
    fn failing(text: &'static str, error: impl Into<Option<StageError>>) -> Self {
        Self { fail: Some((text, error.into())), ..Self::default() }
    }

    fn calls(&self) -> Vec<Vec<Value>> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl<M: WireMessage + Send + 'static> Consumer<M> for Script {
    async fn consume(&self, messages: Vec<M>, _: &Invocation) -> Vec<Result<(), StageError>> {
        let messages: Vec<Value> =
            messages.iter().map(|message| serde_json::to_value(message).unwrap()).collect();
        let answer = |message: &Value| match &self.fail {
            Some((text, error)) if message.to_string().contains(text) => error.clone().map(Err),
            _ => Some(Ok(())),
        };
        let answers = messages.iter().filter_map(answer).collect();
        self.calls.lock().unwrap().push(messages);
        tokio::task::yield_now().await;
        answers
    }
}

struct Room {
    stage: Arc<Script>,
    queues: Arc<MemoryQueues>,
    chaos: Arc<Chaos>,
}

impl Room {
    fn new(stage: Script) -> Self {
        let chaos = Arc::new(Chaos::seeded(1));
        let clock = Arc::new(TokioClock::starting_at(start()));
        let queues = Arc::new(MemoryQueues::new(clock, chaos.clone()));
        Self { stage: Arc::new(stage), queues, chaos }
    }

    async fn wake(&self, name: &str, event: Value) -> Result<Value, HandlerError> {
        let (stage, rejects) = (self.stage.clone(), self.queues.clone());
        let handler: Arc<dyn Handler> = match name.split('.').next() {
            Some("accumulator") => Arc::new(AccumulatorHandler::new(stage, rejects)),
            Some("imagen") => Arc::new(ImagenHandler::new(stage, rejects)),
            Some("replicate") => Arc::new(ReplicateHandler::new(stage, rejects)),
            _ => Arc::new(DistributorHandler::new(stage, rejects)),
        };
        handler.call(event, Invocation { deadline: start() }).await
    }

    /// The message ids reported as failures.
    async fn failures(&self, name: &str) -> Vec<String> {
        let answer = self.wake(name, event(name)).await.unwrap();
        let failures = answer["batchItemFailures"].as_array().unwrap();
        failures.iter().map(|item| item["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    fn reasons(&self, queue: QueueName) -> Vec<String> {
        self.queues.dlq(queue).into_iter().map(|dead| dead.reason).collect()
    }
}

fn id(n: usize) -> String {
    format!("6f9d2c1e-{n:04}-4a7b-9c0d-1e2f3a4b5c6d")
}

#[tokio::test]
async fn every_event_reaches_its_stage_as_its_type() {
    let cases = [
        ("accumulator.render", "render"),
        ("accumulator.duplicate", "render"),
        ("accumulator.seal", "seal"),
        ("imagen.online", "online"),
        ("imagen.submit", "submit"),
        ("imagen.poll", "poll"),
        ("imagen.resolve", "resolve"),
        ("imagen.cancel", "cancel"),
        ("imagen.republish", "republish"),
        ("imagen.check", "check"),
        ("distributor.submitted", "gemini.batch.submitted"),
        ("distributor.processing", "gemini.batch.processing"),
        ("distributor.completed", "gemini.batch.completed"),
        ("distributor.failed", "gemini.batch.failed"),
        ("distributor.envelope", "gemini.batch.completed"),
        ("distributor.overdue", "render.overdue"),
        ("distributor.rescue", "render.rescue"),
    ];
    for (name, kind) in cases {
        let room = Room::new(Script::default());
        assert!(room.failures(name).await.is_empty(), "{name}");
        let messages = room.stage.calls().concat();
        assert!(!messages.is_empty() && messages.iter().all(|m| m["type"] == kind), "{name}");
    }
}

#[tokio::test]
async fn a_poison_record_spoils_no_other() {
    let room = Room::new(Script::default());
    assert_eq!(room.failures("accumulator.poison").await, [id(3)], "left for the newer release");
    assert_eq!(room.stage.calls().concat().len(), 2);
    let dead = room.queues.dlq(QueueName::Accumulator);
    assert_eq!(dead[0].body, event("accumulator.poison")["Records"][1]["body"]);
    let reason = &room.reasons(QueueName::Accumulator)[0];
    assert!(reason.starts_with("message cannot be read: "), "{reason}");
    assert!(!reason.contains("alice") && !reason.contains("denim"), "{reason}");
}

#[tokio::test]
async fn a_body_that_cannot_be_put_aside_is_reported() {
    let room = Room::new(Script::default());
    room.chaos.fail_next(Call::QueueReject, Mishap::Throttled);
    assert_eq!(room.failures("accumulator.bad-body").await, [id(1)]);
    assert!(room.failures("accumulator.bad-body").await.is_empty());
    assert_eq!(room.reasons(QueueName::Accumulator).len(), 1);
    assert!(room.stage.calls().is_empty(), "a stage is not woken for nothing");
}

#[tokio::test]
async fn the_stage_says_what_becomes_of_a_message() {
    let again = Room::new(Script::failing("seal", StageError::retry("the store is away")));
    assert_eq!(again.failures("accumulator.seal").await, [id(1)]);
    let aside = Room::new(Script::failing("attempt_id", StageError::reject("no such attempt")));
    assert!(aside.failures("imagen.poll").await.is_empty());
    assert!(aside.failures("imagen.online").await.is_empty());
    assert_eq!(aside.reasons(QueueName::ImagenJobs), ["no such attempt"]);
    assert_eq!(aside.reasons(QueueName::ImagenOnline), ["no such attempt"]);
    let silent = Room::new(Script::failing("seal", None));
    assert_eq!(silent.failures("accumulator.seal").await, [id(1)]);
}

#[tokio::test]
async fn a_fifo_group_stops_at_its_first_failure() {
    let room = Room::new(Script::failing("processing", StageError::retry("not now")));
    assert_eq!(room.failures("distributor.groups").await, [id(2), id(4)]);
    let kinds: Vec<_> =
        room.stage.calls().into_iter().map(|call| call[0]["type"].clone()).collect();
    let (first, other) = ("gemini.batch.submitted", "render.overdue");
    assert_eq!(kinds.len(), 3, "one message at a time, the completed one untried: {kinds:?}");
    assert!(kinds.contains(&json!(first)) && kinds.contains(&json!(other)));
}

#[tokio::test]
async fn a_rejected_message_does_not_block_its_group() {
    let room = Room::new(Script::failing("processing", StageError::reject("never")));
    assert!(room.failures("distributor.groups").await.is_empty());
    assert_eq!(room.stage.calls().len(), 4);
    assert_eq!(room.reasons(QueueName::GeminiBatch), ["never"]);
}

#[tokio::test]
async fn a_record_without_a_name_fails_the_invocation() {
    for nothing in [Value::Null, json!("")] {
        let room = Room::new(Script::default());
        let mut event = event("accumulator.poison");
        event["Records"][3]["messageId"] = nothing;
        let error = room.wake("accumulator", event).await.unwrap_err();
        assert_eq!(error.to_string(), "event cannot be read: a record has no message id");
        assert!(room.stage.calls().is_empty());
    }
}

#[tokio::test]
async fn an_event_from_elsewhere_fails_the_invocation() {
    let room = Room::new(Script::default());
    let wrong = room.wake("imagen", event("accumulator.seal")).await.unwrap_err();
    assert!(wrong.to_string().contains("no queue of this function"), "{wrong}");
    let schedule = room.wake("imagen", event("reconciler.schedule")).await.unwrap_err();
    assert_eq!(schedule.to_string(), "event cannot be read: missing field Records");
    assert_eq!(
        room.wake("imagen", json!({"Records": []})).await,
        Ok(json!({"batchItemFailures": []}))
    );
}

#[test]
fn queues_are_known_by_arn() {
    let named = |name: &str| {
        let arn = format!("arn:aws:sqs:us-east-1:123456789012:{name}");
        let event = json!({"Records": [{"messageId": "m", "eventSourceARN": arn}]});
        let queues = [QueueName::ImagenOnline, QueueName::ImagenJobs, QueueName::GeminiBatch];
        source(&serde_json::from_value(event).unwrap(), &queues).ok()
    };
    assert_eq!(named("imagen-online"), Some(QueueName::ImagenOnline));
    assert_eq!(named("shop-imagen-jobs-prod"), Some(QueueName::ImagenJobs));
    assert_eq!(named("gemini-batch-dev.fifo"), Some(QueueName::GeminiBatch));
    assert_eq!(named("imagen-onlines-dev"), None);
}

#[tokio::test]
async fn replicate_hears_of_its_own_queue_alone() {
    let room = Room::new(Script::default());
    assert!(room.failures("replicate.start").await.is_empty());
    assert_eq!(room.stage.calls()[0][0]["type"], "start");
    assert!(room.wake("replicate", event("imagen.online")).await.is_err());
}

#[test]
fn the_events_of_the_repository_have_the_shape_of_their_types() {
    fn read<M: WireMessage>(name: &str) -> usize {
        let event: SqsEvent = serde_json::from_value(event(name)).unwrap();
        let records = record::read(event).unwrap();
        records.iter().filter(|record| record.decode::<M>().is_ok()).count()
    }
    assert_eq!(read::<ToAccumulator>("accumulator.poison"), 2);
    assert_eq!(read::<ToImagen>("imagen.submit"), 1);
    assert_eq!(read::<PipelineEvent>("distributor.groups"), 4);
    for name in ["start", "upscale", "poll", "resolve", "cancel", "republish"] {
        assert_eq!(read::<ToReplicate>(&format!("replicate.{name}")), 1, "{name}");
    }
    for name in ["prediction-completed", "prediction-failed"] {
        assert_eq!(read::<PipelineEvent>(&format!("distributor.{name}")), 1, "{name}");
    }
}

#[tokio::test]
async fn no_event_of_the_repository_is_left_unread() {
    for name in ["accumulator", "imagen", "replicate", "distributor"].map(events).concat() {
        let room = Room::new(Script::default());
        let unread = room.failures(&name).await.len();
        let aside: usize = QueueName::ALL.map(|queue| room.queues.dlq(queue).len()).iter().sum();
        let expected = match name.as_str() {
            "accumulator.poison" => (1, 1),
            "accumulator.bad-body" => (0, 1),
            _ => (0, 0),
        };
        assert_eq!((unread, aside), expected, "{name}");
    }
}
