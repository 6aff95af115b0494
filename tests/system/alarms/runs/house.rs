//! Faults of our own house, and of what it stands on.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::TimeDelta;
use serde_json::{Value, json};
use tryon_core::{
    catalogue::Size,
    chain::{Fidelity, Step},
    ids::AttemptId,
    memory::Rates,
    messages::{AttemptEvent, PipelineEvent, encode},
    money::Micros,
    outcome::{Outcome, RenderOutcome},
    picture::{Mime, PictureRef},
    ports::{Outgoing, Queue, QueueName},
    settings::Settings,
    stages::Invocation,
};
use tryon_lambda::{Handler, HandlerError};

use super::{ask, minutes, of_user, world};
use crate::{
    alarms::tape::{Series, Tape},
    outages::DATABASE,
    support::{self, body},
};

/// More is asked for than the day's money buys, of both providers.
pub(crate) async fn spent(tape: &Tape) {
    let settings = Settings {
        // The last cents buy a batch of one.
        max_batch_size: 1,
        daily_budget: Micros::new(10_000_000),
        replicate_daily_budget: Micros::new(1_000),
        ..support::settings()
    };
    let world = world(tape, settings, Vec::new()).await;
    let script = async {
        for number in 0..500 {
            let lane = if number % 2 == 0 { "online" } else { "batch" };
            // Refused at the edge once both accounts are empty.
            drop(world.accept(&of_user(number, lane, "sd"), &number.to_string()).await);
            world.clock.sleep(Duration::from_secs(3)).await;
        }
    };
    tape.play(&world, script).await;
}

/// Messages that no function can read.
pub(crate) async fn poisoned(tape: &Tape) {
    let world = world(tape, support::settings(), Vec::new()).await;
    let script = async {
        for queue in QueueName::ALL {
            world.queues.send(queue, vec![message(queue, "poison".to_owned())]).await.unwrap();
        }
        world.clock.sleep(minutes(3)).await;
    };
    tape.play(&world, script).await;
}

fn message(queue: QueueName, body: String) -> Outgoing {
    if queue.is_fifo() {
        Outgoing::in_group(body, "shard-0".to_owned())
    } else {
        Outgoing::now(body)
    }
}

/// Nothing is called any more, but by the API.
pub(crate) async fn halted(tape: &Tape) {
    let world = world(tape, support::settings(), Vec::new()).await;
    let script = async {
        for queue in QueueName::ALL {
            world.queues.send(queue, vec![message(queue, "{}".to_owned())]).await.unwrap();
        }
        world.clock.sleep(minutes(20)).await;
    };
    tape.measured(&world, script).await;
}

/// The database is away.
pub(crate) async fn without_database(tape: &Tape) {
    let world = world(tape, support::settings(), Vec::new()).await;
    let away = Rates { throttled: 10_000, ..Rates::default() };
    for call in DATABASE {
        world.chaos.set_rates_of(call, away);
    }
    let script = async {
        for number in 0..8 {
            assert!(world.accept(&body("online", ""), &number.to_string()).await.is_err());
            world.clock.sleep(minutes(1)).await;
        }
    };
    tape.play(&world, script).await;
}

/// Whatever wakes a function, it does not understand. The rollout is woken every five minutes.
pub(crate) async fn crashing(tape: &Tape) {
    let world = world(tape, support::settings(), Vec::new()).await;
    let functions = &world.functions;
    let script = async {
        for minute in 0..11 {
            let each = [
                &functions.router,
                &functions.accumulator,
                &functions.imagen,
                &functions.replicate,
                &functions.distributor,
            ];
            let rollout = (minute % 5 == 0).then_some(&functions.rollout);
            for function in each.into_iter().chain(rollout) {
                let deadline = world.clock.now() + TimeDelta::seconds(50);
                let answer = function.call(json!("nonsense"), Invocation { deadline }).await;
                assert!(answer.is_err(), "{function:?}: {answer:?}");
            }
            world.clock.sleep(minutes(1)).await;
        }
    };
    tape.play(&world, script).await;
}

/// Ops put a catalogue into the bucket that is none.
pub(crate) async fn misled(tape: &Tape) {
    let world = world(tape, support::settings(), Vec::new()).await;
    world.bucket_catalogue.put(Some("nonsense"));
    tape.play(&world, world.clock.sleep(minutes(11))).await;
}

/// What no run on memory adapters has: Lambda refuses calls, `EventBridge` cannot deliver.
pub(crate) async fn outside(tape: &Tape) {
    let world = world(tape, support::settings(), Vec::new()).await;
    let throttles = Series::of("AWS/Lambda", "Throttles", &[("FunctionName", "tryon-router-dev")]);
    let undelivered = [("QueueName", "undelivered-dev")];
    let undelivered = Series::of("AWS/SQS", "ApproximateNumberOfMessagesVisible", &undelivered);
    let script = async {
        for _ in 0..4 {
            tape.put(&throttles, 3.0);
            tape.put(&undelivered, 1.0);
            world.clock.sleep(minutes(1)).await;
        }
    };
    tape.play(&world, script).await;
}

/// A picture comes that nobody was to buy. No run brings that about, so the news of it is forged.
pub(crate) async fn paid_twice(tape: &Tape) {
    let world = world(tape, support::settings(), Vec::new()).await;
    let script = async {
        ask(&world, &[body("online", "")], Duration::ZERO).await;
        let render = support::renders(&world).remove(0);
        let attempt_id = AttemptId::of(&render.id.as_batch(), Step::Gemini, 9);
        let key = format!("out/{attempt_id}/{}.jpg", render.id);
        let picture = PictureRef { key, bytes: 1, mime: Mime::Jpeg };
        let outcome = RenderOutcome {
            render_id: render.id.clone(),
            outcome: Outcome::Image { picture, fidelity: Fidelity::Exact, size: Size::OneK },
            cost: Micros::new(40_000),
        };
        let news = PipelineEvent::Completed(AttemptEvent {
            shard: render.id.shard(),
            batch_id: render.id.as_batch(),
            attempt_id,
            at: world.clock.now(),
            job: None,
            outcomes: vec![outcome],
        });
        let news = message(QueueName::GeminiBatch, encode(&news).unwrap());
        world.queues.send(QueueName::GeminiBatch, vec![news]).await.unwrap();
        world.clock.sleep(minutes(2)).await;
    };
    tape.play(&world, script).await;
}

/// A function that leaves every message for another time.
#[derive(Debug)]
struct Unwilling;

#[async_trait]
impl Handler for Unwilling {
    async fn call(&self, event: Value, _: Invocation) -> Result<Value, HandlerError> {
        let records = event["Records"].as_array().into_iter().flatten();
        let failures: Vec<Value> =
            records.map(|record| json!({"itemIdentifier": record["messageId"]})).collect();
        Ok(json!({"batchItemFailures": failures}))
    }
}

/// Sealed batches find nobody who takes them.
pub(crate) async fn stuck(tape: &Tape) {
    let mut world = world(tape, support::settings(), Vec::new()).await;
    world.functions.imagen = Arc::new(Unwilling);
    let script = async {
        support::accept(&world, &body("batch", ""), "key").await;
        world.clock.sleep(minutes(45)).await;
    };
    tape.play(&world, script).await;
}
