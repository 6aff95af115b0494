use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tryon_core::ports::{Clock, TransportError};
use tryon_sandbox::{CallKind, Fault, Latency, Nth, Provider, Rule, SandboxConfig, When};

use super::{API, Desk, NANO_BANANA, SDXL, config, dress};
use crate::support::{Bench, request};

fn desk(rules: Vec<Rule>) -> Desk {
    Desk::with_rules(config(), rules)
}

fn create_url() -> String {
    format!("{API}/v1/predictions")
}

#[tokio::test(start_paused = true)]
async fn predictions_fail_with_codes() {
    let codes = ["E003", "E004", "E005", "PA", "E9828"];
    let rule = |code: &&str| {
        let when = When::kind(CallKind::Prediction).key(format!("{code}/"));
        Rule::new(when, Fault::failed(code))
    };
    let desk = desk(codes.iter().map(rule).collect());
    for code in codes {
        let id = desk.made(NANO_BANANA, dress(&format!("{code}/1"))).await;
        let object = desk.get(&id).await;
        assert_eq!((&object["status"], &object["output"]), (&json!("failed"), &Value::Null));
        let error = object["error"].as_str().unwrap();
        let ending = if code == "PA" { "(code: PA)".to_owned() } else { format!("({code})") };
        assert!(error.ends_with(&ending), "{error}");
    }
    let id = desk.made(NANO_BANANA, dress("fine/1")).await;
    assert_eq!(desk.status(&id).await, "succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_success_may_have_no_picture() {
    let desk = desk(vec![Rule::new(When::kind(CallKind::Prediction), Fault::EmptyOutput)]);
    for (version, input, empty) in
        [(NANO_BANANA, dress("a"), Value::Null), (SDXL, json!({}), json!([]))]
    {
        let id = desk.made(version, input).await;
        let object = desk.get(&id).await;
        assert_eq!((&object["status"], &object["output"]), (&json!("succeeded"), &empty));
    }
}

#[tokio::test(start_paused = true)]
async fn predictions_stick_and_are_slow() {
    let kind = || When::kind(CallKind::Prediction);
    let rules = vec![
        Rule::new(kind().key("forever"), Fault::Stick { seconds: None }),
        Rule::delay(kind().key("slow"), Duration::from_secs(100)),
        Rule::delay(kind().key("endless"), Duration::from_secs(10_000)),
    ];
    let desk = desk(rules);
    let stuck = desk.made(NANO_BANANA, dress("forever")).await;
    let slow = desk.made(NANO_BANANA, dress("slow")).await;
    let endless = desk.made(NANO_BANANA, dress("endless")).await;
    desk.pass(99).await;
    assert_eq!(desk.status(&slow).await, "processing");
    desk.pass(1).await;
    assert_eq!(desk.status(&slow).await, "succeeded");
    desk.pass(1_699).await;
    assert_eq!(desk.status(&endless).await, "processing");
    desk.pass(1).await;
    assert_eq!(desk.status(&endless).await, "failed");
    desk.pass(100_000).await;
    assert_eq!(desk.status(&stuck).await, "starting");
}

#[tokio::test(start_paused = true)]
async fn calls_are_refused_as_documented() {
    let kind = |key: &str| When::kind(CallKind::PredictionCreate).key(key);
    let status = |code, retry_after_seconds| Fault::Status { code, retry_after_seconds };
    let desk = desk(vec![
        Rule::new(kind("poor"), status(402, None)),
        Rule::new(kind("fast"), status(429, Some(5))),
        Rule::new(kind("often"), status(429, None)),
        Rule::new(kind("down"), status(503, None)),
    ]);
    let refusal = async |attempt: &str| {
        let answer = desk.create(NANO_BANANA, dress(attempt)).await;
        assert_eq!(answer.header("content-type"), "application/problem+json");
        (answer.status.as_u16(), answer.json())
    };
    let (status, body) = refusal("poor").await;
    assert_eq!((status, &body["title"]), (402, &json!("Insufficient credit")));
    let (status, body) = refusal("fast").await;
    assert_eq!((status, &body["retry_after"], &body["status"]), (429, &json!(5), &json!(429)));
    assert!(body["detail"].as_str().unwrap().ends_with("resets in ~5s."));
    let words = "Request was throttled. Your rate limit resets in ~30s.";
    assert_eq!(refusal("often").await, (429, json!({"detail": words})));
    assert_eq!(refusal("down").await.0, 503);
    assert!(desk.try_get(&create_url()).await.unwrap().json()["results"][0].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_lost_create_can_be_found_by_its_attempt() {
    let kind = |key: &str| When::kind(CallKind::PredictionCreate).key(key);
    let desk = desk(vec![
        Rule::new(kind("lost"), Fault::LoseAnswer),
        Rule::new(kind("refused"), Fault::RefuseConnection),
    ]);
    let create = async |attempt: &str| {
        let body = json!({"version": NANO_BANANA, "input": dress(attempt)}).to_string();
        desk.try_call(Method::POST, &create_url(), &[], body).await
    };
    assert!(matches!(create("refused/1").await, Err(TransportError::NotConnected(_))));
    assert!(matches!(create("lost/1").await, Err(TransportError::NoAnswer(_))));
    let listed = desk.try_get(&create_url()).await.unwrap().json();
    let results = listed["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    let garment = results[0]["input"]["image_input"][1].as_str().unwrap();
    assert!(garment.contains("x-attempt=lost/1"), "{garment}");
    assert_eq!(desk.bench.sandbox.bill().of("lost/1").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_about_a_prediction_are_known_by_its_attempt_and_its_id() {
    let kinds = [CallKind::PredictionGet, CallKind::PredictionCancel, CallKind::Delivery];
    let desk = desk(Vec::new());
    let id = desk.made(NANO_BANANA, dress("a/1")).await;
    let other = desk.made(NANO_BANANA, dress("b/1")).await;
    let address = desk.get(&id).await["output"].as_str().unwrap().to_owned();
    for name in ["a/1", id.as_str()] {
        for kind in kinds {
            let rule = Rule::new(When::kind(kind).key(name), Fault::status(500));
            desk.bench.sandbox.faults().push(rule);
        }
        let get = desk.try_get(&format!("{API}/v1/predictions/{id}")).await.unwrap();
        let delivery = desk.try_get(&address).await.unwrap();
        let cancel = desk.cancel(&id).await;
        assert_eq!([get.status, delivery.status, cancel.status].map(|s| s.as_u16()), [500; 3]);
        assert_eq!(desk.status(&other).await, "succeeded");
        desk.bench.sandbox.faults().clear();
    }
    assert_eq!(desk.bench.sandbox.calls()[&CallKind::Prediction], 2);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_status_may_be_told() {
    let odd = Fault::OddStatus { status: "queued".to_owned() };
    let rule = Rule::new(When::kind(CallKind::PredictionGet).nth(Nth::First(1)), odd);
    let desk = desk(vec![rule]);
    let id = desk.made(NANO_BANANA, dress("a")).await;
    assert_eq!(desk.status(&id).await, "queued");
    assert_eq!(desk.status(&id).await, "succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_picture_is_slow_and_cut() {
    let kind = || When::kind(CallKind::Delivery);
    let desk = desk(vec![
        Rule::new(kind().nth(Nth::First(1)), Fault::CutPicture { after_bytes: 300 }),
        Rule::delay(kind(), Duration::from_secs(7)),
    ]);
    let id = desk.made(NANO_BANANA, dress("a")).await;
    let address = desk.get(&id).await["output"].as_str().unwrap().to_owned();
    assert!(desk.try_get(&address).await.is_err());
    let start = desk.bench.clock.now();
    assert_eq!(desk.try_get(&address).await.unwrap().body.len(), 1_000);
    assert_eq!((desk.bench.clock.now() - start).num_seconds(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_picture_may_come_in_drops() {
    let drops = Fault::SlowPicture { seconds: 40 };
    let desk = desk(vec![Rule::new(When::kind(CallKind::Delivery), drops)]);
    let id = desk.made(NANO_BANANA, dress("a")).await;
    let address = desk.get(&id).await["output"].as_str().unwrap().to_owned();
    let start = desk.bench.clock.now();
    assert_eq!(desk.try_get(&address).await.unwrap().body.len(), 1_000);
    assert_eq!((desk.bench.clock.now() - start).num_seconds(), 40);
}

#[tokio::test(start_paused = true)]
async fn little_credit_slows_creates_down() {
    let desk = Desk::new(SandboxConfig { low_credit: true, ..config() });
    let create = async |attempt: &str| desk.create(NANO_BANANA, dress(attempt)).await;
    assert_eq!(create("a").await.status, 201);
    desk.pass(5).await;
    let answer = create("b").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["retry_after"]), (429, &json!(5)));
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("6 requests per minute with a burst of 1 requests"), "{detail}");
    assert!(detail.ends_with("resets in ~5s."), "{detail}");
    desk.pass(5).await;
    assert_eq!(create("b").await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn more_than_600_creates_at_once_are_too_many() {
    let desk = Desk::new(config());
    for seed in 0..600 {
        assert_eq!(desk.create(SDXL, json!({"seed": seed})).await.status, 201, "{seed}");
    }
    let answer = desk.create(SDXL, json!({"seed": 600})).await;
    assert_eq!((answer.status.as_u16(), answer.header("ratelimit-remaining")), (429, "0"));
    desk.pass(1).await;
    assert_eq!(desk.create(SDXL, json!({"seed": 600})).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn an_outage_may_be_that_of_one_provider() {
    for (provider, google, replicate) in
        [(Provider::Google, 503, 201), (Provider::Replicate, 200, 503)]
    {
        let bench = Bench::new(SandboxConfig { latency: Latency::None, ..config() }).await;
        bench.sandbox.faults().push(Rule::new(When::provider(provider), Fault::status(503)));
        assert_eq!(bench.generate(&request("a")).await.status, google);
        let desk = Desk { bench };
        assert_eq!(desk.create(SDXL, json!({})).await.status, replicate);
    }
}
