use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tryon_core::{
    catalogue::Backend,
    chain::Step,
    memory::{Call, Mishap},
    money::Micros,
    ports::{Clock, Outgoing, ProviderHealth, Queue, QueueName},
    settings::Settings,
    vitals::{Breaker, Tally, Vitals},
};

use super::edge::{Edge, event};
use crate::testing::settings;

#[tokio::test(start_paused = true)]
async fn health_is_open_to_anyone_and_names_no_amounts() {
    let edge = Edge::new().await;
    let answer = edge.ask(event("health")).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("ok")), "{answer:?}");
    let closed = json!({"state": "closed", "committed_percent": 0});
    assert_eq!(answer.body["breakers"], json!({"google": closed, "replicate": closed}));
    for name in ["gemini-online", "gemini-batch", "replicate"] {
        let provider = json!({"name": name, "state": "closed", "failed_percent": 0});
        assert!(answer.body["providers"].as_array().unwrap().contains(&provider), "{name}");
    }
    let models = ["nano_banana", "photo_maker", "sdxl", "upscale"]
        .map(|name| json!({"name": name, "failed_percent": 0}));
    assert_eq!(answer.body["models"], json!(models));
    assert_eq!(
        (&answer.body["open_batches"], edge.house.queues.depth(QueueName::Accumulator).total()),
        (&json!(0), 0)
    );
    let names: Vec<&str> = answer.body["queues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|q| q["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, QueueName::ALL.map(QueueName::as_str));
}

#[tokio::test(start_paused = true)]
async fn a_look_stands_for_some_seconds() {
    let edge = Edge::new().await;
    edge.ask(event("health")).await;
    edge.house.settings.replace(Settings { daily_budget: Micros::ZERO, ..settings() });
    let queue = QueueName::ImagenJobs;
    edge.house.queues.reject(queue, "{}".to_owned(), "poison").await.unwrap();
    edge.house.queues.send(queue, vec![Outgoing::now("{}".to_owned())]).await.unwrap();
    edge.house.clock.sleep(Duration::from_millis(4_999)).await;
    assert_eq!(edge.ask(event("health")).await.body["status"], "ok");
    edge.house.clock.sleep(Duration::from_millis(1)).await;
    let answer = edge.ask(event("health")).await;
    assert_eq!(answer.body["status"], "degraded");
    let open = json!({"state": "open", "committed_percent": 100});
    assert_eq!(answer.body["breakers"]["google"], open);
    let jobs = json!({"name": "imagen-jobs", "messages": 1, "oldest_seconds": 5, "dead": 1});
    assert_eq!(answer.body["queues"][2], jobs);
}

#[tokio::test(start_paused = true)]
async fn a_house_that_cannot_be_seen_is_told() {
    let edge = Edge::new().await;
    for call in [Call::AttemptBalance, Call::BatchCount, Call::QueueLook] {
        edge.house.chaos.fail_next(call, Mishap::Throttled);
        assert_eq!(edge.ask(event("health")).await.problem(), (503, "unavailable", ""), "{call:?}");
    }
    assert_eq!(edge.ask(event("health")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_down_is_told() {
    let edge = Edge::new().await;
    let now = edge.house.clock.now();
    let breaker = Breaker::Open { since: now, until: now + TimeDelta::seconds(60), times: 1 };
    let down = Vitals { breaker, ..Vitals::default() };
    let tally = Tally { calls: 4, failures: 3, ..Tally::default() };
    let (health, backend) = (&edge.house.health, Backend::GeminiOnline);
    health.record(backend.into(), now, tally).await.unwrap();
    assert_eq!(health.change(backend, &down).await, Ok(true));
    let answer = edge.ask(event("health")).await;
    assert_eq!(answer.body["status"], "degraded");
    let open = json!({"name": "gemini-online", "state": "open", "failed_percent": 75});
    assert_eq!(answer.body["providers"][0], open);
    edge.house.clock.sleep(Duration::from_secs(60)).await;
    let state = edge.ask(event("health")).await.body["providers"][0]["state"].clone();
    assert_eq!(state, "half_open");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_and_is_slow_is_told_beside_an_account_that_is_well() {
    let edge = Edge::new().await;
    let tally = Tally { calls: 4, failures: 1, timed: 3, millis: 61_000, ..Tally::default() };
    let (health, now) = (&edge.house.health, edge.house.clock.now());
    health.record(Step::PhotoMaker.into(), now, tally).await.unwrap();
    let answer = edge.ask(event("health")).await;
    let maker = json!({"name": "photo_maker", "failed_percent": 25, "seconds": 21});
    assert_eq!((&answer.body["models"][1], &answer.body["status"]), (&maker, &json!("ok")));
}
