use std::sync::Mutex;

use async_trait::async_trait;
use chrono::DateTime;
use serde_json::json;
use tryon_core::{
    memory::{Chaos, TokioClock},
    ports::{Outgoing, Queue},
};
use tryon_lambda::HandlerError;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What a call of the probe does.
#[derive(Clone, Debug)]
enum Act {
    /// Works for a while, then reports the records with this body as failed.
    Work(Duration, &'static str),
    Answer(Value),
    Break,
}

/// Notes each call as it begins (`second: bodies`), and those that end.
#[derive(Debug)]
struct Probe {
    clock: Arc<dyn Clock>,
    act: Act,
    begun: Mutex<Vec<String>>,
    ended: Mutex<Vec<String>>,
    last: Mutex<Option<(Value, Invocation)>>,
}

#[async_trait]
impl Handler for Probe {
    async fn call(&self, event: Value, invocation: Invocation) -> Result<Value, HandlerError> {
        let records = event["Records"].as_array().cloned().unwrap_or_default();
        let bodies: Vec<&str> = records.iter().filter_map(|r| r["body"].as_str()).collect();
        let note = |notes: &Mutex<Vec<String>>| {
            let note = format!("{}: {}", self.clock.now().timestamp(), bodies.join(" "));
            notes.lock().unwrap().push(note);
        };
        note(&self.begun);
        *self.last.lock().unwrap() = Some((event.clone(), invocation));
        match &self.act {
            Act::Work(time, bad) => {
                self.clock.sleep(*time).await;
                note(&self.ended);
                let failed = records.iter().filter(|record| record["body"] == **bad);
                let failed: Vec<Value> =
                    failed.map(|record| json!({"itemIdentifier": record["messageId"]})).collect();
                Ok(json!({"batchItemFailures": failed}))
            }
            Act::Answer(answer) => Ok(answer.clone()),
            Act::Break => Err(HandlerError::new("broken")),
        }
    }
}

struct Bench {
    pump: Pump,
    probe: Arc<Probe>,
}

impl Bench {
    /// A pump from `queue` to a probe: two a batch, two batches at once, 50 s to work, 70 s hidden.
    fn new(queue: QueueName, act: Act) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(DateTime::UNIX_EPOCH));
        let queues = Arc::new(MemoryQueues::new(clock.clone(), Arc::new(Chaos::seeded(1))));
        let probe = Arc::new(Probe {
            clock: clock.clone(),
            act,
            begun: Mutex::default(),
            ended: Mutex::default(),
            last: Mutex::default(),
        });
        let mapping = Mapping {
            queue,
            handler: probe.clone(),
            batch_size: 2,
            timeout: 50 * SECOND,
            visibility: 70 * SECOND,
            concurrency: 2,
        };
        Self { pump: Pump { queues, clock, mappings: vec![mapping], schedules: vec![] }, probe }
    }

    async fn send(&self, messages: Vec<Outgoing>) {
        self.pump.queues.send(self.queue(), messages).await.unwrap();
    }

    async fn run(&self, seconds: u32) {
        self.pump.run_until(self.pump.clock.sleep(SECOND * seconds)).await;
    }

    fn queue(&self) -> QueueName {
        self.pump.mappings[0].queue
    }

    fn begun(&self) -> Vec<String> {
        self.probe.begun.lock().unwrap().clone()
    }

    fn ended(&self) -> Vec<String> {
        self.probe.ended.lock().unwrap().clone()
    }

    fn left(&self) -> usize {
        self.pump.queues.depth(self.queue()).total()
    }
}

fn plain(bodies: &[&str]) -> Vec<Outgoing> {
    bodies.iter().map(|body| Outgoing::now((*body).to_owned())).collect()
}

fn grouped(bodies: &[&str]) -> Vec<Outgoing> {
    let group = |body: &str| format!("shard-{}", &body[..1]);
    bodies.iter().map(|body| Outgoing::in_group((*body).to_owned(), group(body))).collect()
}

#[tokio::test(start_paused = true)]
async fn failures_come_again_when_they_are_visible_and_the_rest_is_gone() {
    let bench = Bench::new(QueueName::Accumulator, Act::Work(SECOND, "bad"));
    bench.send(plain(&["good", "bad"])).await;
    bench.run(100).await;
    assert_eq!(bench.begun(), ["0: good bad", "70: bad"]);
    assert_eq!(bench.left(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_at_once_than_allowed() {
    let bench = Bench::new(QueueName::Accumulator, Act::Work(10 * SECOND, ""));
    bench.send(plain(&["a", "b", "c", "d", "e"])).await;
    bench.run(30).await;
    assert_eq!(bench.begun(), ["0: a b", "0: c d", "10: e"]);
    assert_eq!(bench.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_does_not_wait_for_the_batch_before() {
    let bench = Bench::new(QueueName::Accumulator, Act::Work(10 * SECOND, ""));
    bench.send(vec![Outgoing::now("a".to_owned()), Outgoing::delayed("b".to_owned(), 3)]).await;
    bench.run(30).await;
    assert_eq!(bench.begun(), ["0: a", "3: b"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_is_never_in_two_calls() {
    let bench = Bench::new(QueueName::GeminiBatch, Act::Work(10 * SECOND, "2-a"));
    bench.send(grouped(&["1-a", "1-b", "2-a", "1-c", "2-b"])).await;
    bench.run(400).await;
    // The failure keeps its group back until it is dead, after three receives.
    let expected = ["0: 1-a 1-b", "0: 2-a 2-b", "10: 1-c", "70: 2-a", "140: 2-a"];
    assert_eq!(bench.begun(), expected);
    assert_eq!(bench.pump.queues.dlq(QueueName::GeminiBatch).len(), 1);
    assert_eq!(bench.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_killed_at_its_time_limit() {
    let bench = Bench::new(QueueName::Accumulator, Act::Work(51 * SECOND, ""));
    bench.send(plain(&["slow"])).await;
    bench.run(100).await;
    assert_eq!(bench.begun(), ["0: slow", "70: slow"]);
    assert!(bench.ended().is_empty());
    let (_, invocation) = bench.probe.last.lock().unwrap().clone().unwrap();
    assert_eq!(invocation.deadline.timestamp(), 120);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_fails_the_batch() {
    let item = |id: Value| Act::Answer(json!({"batchItemFailures": [{"itemIdentifier": id}]}));
    let bad = [
        Act::Break,
        item(json!("")),
        item(json!("of another batch")),
        item(Value::Null),
        Act::Answer(json!({"batchItemFailures": "none"})),
        Act::Answer(json!("done")),
    ];
    for act in bad {
        let bench = Bench::new(QueueName::Accumulator, act.clone());
        bench.send(plain(&["a", "b"])).await;
        bench.run(10).await;
        assert_eq!(bench.left(), 2, "{act:?}");
    }
    for answer in [json!(null), json!({}), json!({"batchItemFailures": null})] {
        let bench = Bench::new(QueueName::Accumulator, Act::Answer(answer));
        bench.send(plain(&["a", "b"])).await;
        bench.run(10).await;
        assert_eq!(bench.left(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_records_carry_what_sqs_sends() {
    let bench = Bench::new(QueueName::GeminiBatch, Act::Work(SECOND, ""));
    bench.send(grouped(&["3-a"])).await;
    bench.run(10).await;
    let (event, _) = bench.probe.last.lock().unwrap().clone().unwrap();
    let record = &event["Records"][0];
    assert_eq!(record["body"], "3-a");
    assert_eq!(record["eventSource"], "aws:sqs");
    assert_eq!(record["eventSourceARN"], "arn:aws:sqs:us-east-1:000000000000:gemini-batch.fifo");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(record["attributes"]["SentTimestamp"], "0");
    assert_eq!(record["attributes"]["MessageGroupId"], "shard-3");
    assert!(record["messageId"].is_string() && record["receiptHandle"].is_string());
}

#[tokio::test(start_paused = true)]
async fn schedules_keep_their_rate_and_idle_costs_nothing() {
    let mut bench = Bench::new(QueueName::Accumulator, Act::Work(20 * SECOND, ""));
    let handler = bench.probe.clone();
    bench.pump.schedules = vec![Schedule { handler, every: 60 * SECOND, timeout: 50 * SECOND }];
    bench.run(24 * 3_600 + 1).await;
    let begun = bench.begun();
    assert_eq!((begun.len(), begun[0].as_str(), begun[1_439].as_str()), (1_440, "60: ", "86400: "));
    let (event, _) = bench.probe.last.lock().unwrap().clone().unwrap();
    assert_eq!(event["detail-type"], "Scheduled Event");
    assert_eq!(event["time"], "1970-01-02T00:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn a_pump_without_work_waits_for_the_stop() {
    let mut bench = Bench::new(QueueName::Accumulator, Act::Break);
    bench.pump.mappings.clear();
    assert_eq!(bench.pump.run_until(async { 7 }).await, 7);
    bench.pump.run_until(bench.pump.clock.sleep(SECOND)).await;
    assert_eq!(bench.pump.clock.now().timestamp(), 1);
}

#[tokio::test(start_paused = true)]
async fn trouble_comes_by_script() {
    let mut bench = Bench::new(QueueName::Accumulator, Act::Work(SECOND, ""));
    let script = [(0, Trouble::KilledAtWait(1)), (1, Trouble::Twice)];
    bench.pump.mappings[0].handler = Arc::new(Troubled::new(bench.probe.clone(), script));
    bench.send(plain(&["a"])).await;
    bench.run(200).await;
    assert_eq!(bench.begun(), ["0: a", "70: a", "70: a"]);
    assert_eq!(bench.ended(), ["71: a", "71: a"]);
    assert_eq!(bench.left(), 0);
}
