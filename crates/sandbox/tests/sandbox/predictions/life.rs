use std::time::Duration;

use serde_json::{Value, json};
use tryon_core::ports::Clock;
use tryon_sandbox::{CallKind, Fault, Latency, Rule, SandboxConfig, When};

use super::{Desk, NANO_BANANA, PHOTOMAKER, SDXL, UPSCALE, config, dress, face};

fn running(seconds: u64) -> SandboxConfig {
    SandboxConfig { latency: Latency::Fixed(Duration::from_secs(seconds)), ..config() }
}

fn stuck(seconds: Option<u64>) -> Vec<Rule> {
    vec![Rule::new(When::kind(CallKind::Prediction), Fault::Stick { seconds })]
}

#[tokio::test(start_paused = true)]
async fn it_starts_runs_and_succeeds() {
    let desk = Desk::with_rules(running(10), stuck(Some(5)));
    let id = desk.made(NANO_BANANA, dress("a")).await;
    desk.pass(4).await;
    assert_eq!(desk.status(&id).await, "starting");
    desk.pass(1).await;
    let object = desk.get(&id).await;
    assert_eq!(object["status"], "processing");
    assert!(object["started_at"].is_string() && object["completed_at"].is_null());
    desk.pass(10).await;
    let object = desk.get(&id).await;
    assert_eq!(object["status"], "succeeded");
    assert!(object["completed_at"].is_string());
    assert!(object["output"].as_str().unwrap().starts_with("https://replicate.delivery/"));
}

#[tokio::test(start_paused = true)]
async fn outputs_are_one_address_or_several() {
    let desk = Desk::new(config());
    let mut several = face("a woman img");
    several["num_outputs"] = json!(3);
    for (version, input, count) in [
        (NANO_BANANA, dress("a"), None),
        (UPSCALE, json!({"image": "https://h/a"}), None),
        (PHOTOMAKER, several, Some(3)),
        (SDXL, json!({}), Some(1)),
    ] {
        let id = desk.made(version, input).await;
        let output = desk.get(&id).await["output"].clone();
        assert_eq!(output.as_array().map(Vec::len), count, "{version}");
        let address = count.map_or(&output, |_| &output[0]).as_str().unwrap();
        let picture = desk.try_get(address).await.unwrap();
        assert_eq!(picture.status, 200);
        let kind = if version == NANO_BANANA { "image/jpeg" } else { "image/png" };
        assert_eq!(picture.header("content-type"), kind);
    }
}

#[tokio::test(start_paused = true)]
async fn everything_but_the_object_is_gone_after_an_hour() {
    let desk = Desk::new(running(10));
    let id = desk.made(NANO_BANANA, dress("a")).await;
    desk.pass(10).await;
    let address = desk.get(&id).await["output"].as_str().unwrap().to_owned();
    let guessed = address.replace(&id, &id.chars().rev().collect::<String>());
    assert_eq!(desk.try_get(&guessed).await.unwrap().status, 404);
    desk.pass(3_599).await;
    assert_eq!(desk.try_get(&address).await.unwrap().status, 200);
    desk.pass(1).await;
    assert_eq!(desk.try_get(&address).await.unwrap().status, 404);
    let object = desk.get(&id).await;
    assert_eq!((&object["status"], &object["output"]), (&json!("succeeded"), &Value::Null));
    assert_eq!((&object["data_removed"], &object["input"]), (&json!(true), &json!({})));
    // Its memory is let go of when others come; the object and its price stay.
    for i in 0..10 {
        desk.made(NANO_BANANA, dress(&format!("b{i}"))).await;
    }
    assert_eq!(desk.get(&id).await, object);
    assert_eq!(desk.bench.sandbox.bill().of("a").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_one_ends_at_once_and_a_finished_one_stays() {
    let desk = Desk::new(running(10));
    let id = desk.made(SDXL, json!({})).await;
    desk.pass(4).await;
    let answer = desk.cancel(&id).await;
    assert_eq!(answer.status, 200);
    let object = answer.json();
    assert_eq!((&object["status"], &object["logs"]), (&json!("canceled"), &Value::Null));
    assert_eq!(object["metrics"]["predict_time"], 4.0);
    assert!(object.as_object().unwrap().contains_key("webhook_completed"));
    desk.pass(10).await;
    assert_eq!(desk.status(&id).await, "canceled");

    let id = desk.made(SDXL, json!({"seed": 1})).await;
    desk.pass(10).await;
    let finished = desk.get(&id).await;
    assert_eq!(desk.cancel(&id).await.json(), finished);
    assert_eq!(desk.cancel("nothing").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_aborts_before_the_run_and_cancels_within() {
    let create = async |desk: &Desk, after: &str| {
        let answer = desk.create_with(&[("cancel-after", after)], SDXL, json!({})).await;
        assert_eq!(answer.status, 201, "{after}");
        let object = answer.json();
        assert!(object["deadline"].is_string());
        object["id"].as_str().unwrap().to_owned()
    };
    for stick in [None, Some(20)] {
        let desk = Desk::with_rules(running(10), stuck(stick));
        let id = create(&desk, "15s").await;
        desk.pass(14).await;
        assert_eq!(desk.status(&id).await, "starting");
        desk.pass(1).await;
        assert_eq!(desk.status(&id).await, "aborted");
        desk.pass(60).await;
        assert_eq!(desk.status(&id).await, "aborted");
        assert_eq!(desk.bench.sandbox.bill().charges, []);
    }
    let desk = Desk::with_rules(running(10), stuck(Some(5)));
    let id = create(&desk, "12").await;
    desk.pass(12).await;
    let object = desk.get(&id).await;
    assert_eq!(
        (&object["status"], &object["metrics"]["predict_time"]),
        (&json!("canceled"), &json!(7.0))
    );
    let id = create(&desk, "1m").await;
    desk.pass(60).await;
    assert_eq!(desk.status(&id).await, "succeeded");
    for bad in ["4s", "soon"] {
        let answer = desk.create_with(&[("cancel-after", bad)], SDXL, json!({})).await;
        assert_eq!(answer.status, 400, "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_can_be_held_open() {
    let desk = Desk::new(running(10));
    let start = desk.bench.clock.now();
    let answer = desk.create_with(&[("prefer", "wait=30")], SDXL, json!({})).await;
    assert_eq!((desk.bench.clock.now() - start).num_seconds(), 10);
    assert_eq!((answer.status.as_u16(), answer.header("preference-applied")), (201, "wait=30"));
    let object = answer.json();
    assert_eq!(object["status"], "processing");
    assert!(object["completed_at"].is_null() && !object["metrics"]["predict_time"].is_number());
    assert!(object["output"][0].as_str().unwrap().starts_with("data:image/png;base64,"));
    let later = desk.get(object["id"].as_str().unwrap()).await;
    assert!(later["output"][0].as_str().unwrap().starts_with("https://"));

    let answer = desk.create_with(&[("prefer", "wait=3")], SDXL, json!({"seed": 1})).await;
    assert_eq!(answer.json()["status"], "processing");
    assert!(answer.json()["output"].is_null());
}

/// How long a prediction waits and runs, in milliseconds.
async fn times(desk: &Desk, version: &str, input: Value) -> (i64, i64) {
    let id = desk.made(version, input).await;
    desk.pass(600).await;
    let object = desk.get(&id).await;
    let at = |name: &str| -> chrono::DateTime<chrono::Utc> {
        object[name].as_str().unwrap().parse().unwrap()
    };
    let ms = |from: &str, to: &str| (at(to) - at(from)).num_milliseconds();
    (ms("created_at", "started_at"), ms("started_at", "completed_at"))
}

#[tokio::test(start_paused = true)]
async fn times_are_those_of_the_model() {
    let desk = Desk::new(SandboxConfig { latency: Latency::Documented, ..config() });
    let large = |i: i32| {
        let mut input = dress(&i.to_string());
        input["resolution"] = json!("4K");
        input
    };
    let mut cold = 0;
    for i in 0..60 {
        let (wait, run) = times(&desk, NANO_BANANA, dress(&i.to_string())).await;
        assert!((100..1_500).contains(&wait) && (15_000..60_000).contains(&run));
        let (_, run) = times(&desk, NANO_BANANA, large(i)).await;
        assert!((60_000..180_000).contains(&run));
        let (wait, run) = times(&desk, PHOTOMAKER, face(&format!("{i} women img"))).await;
        assert!((11_000..13_000).contains(&run));
        cold += i32::from((60_000..120_000).contains(&wait));
        let (_, run) = times(&desk, SDXL, json!({"seed": i})).await;
        assert!((4_000..6_000).contains(&run));
        let (_, run) = times(&desk, UPSCALE, json!({"image": format!("https://h/{i}")})).await;
        assert!((2_000..4_000).contains(&run));
    }
    assert!((2..=12).contains(&cold), "{cold}");
}

#[tokio::test(start_paused = true)]
async fn times_follow_from_the_input_not_from_its_turn() {
    let drawn = async |order: [&str; 3]| {
        let desk = Desk::new(SandboxConfig { latency: Latency::Scaled(0.5), ..config() });
        let mut all = Vec::new();
        for attempt in order {
            all.push((attempt.to_owned(), times(&desk, NANO_BANANA, dress(attempt)).await));
        }
        all.sort();
        all
    };
    let forward = drawn(["a", "b", "c"]).await;
    assert_eq!(forward, drawn(["c", "a", "b"]).await);
    assert!(forward.iter().all(|(_, (_, run))| (7_500..30_000).contains(run)), "{forward:?}");
}

#[tokio::test(start_paused = true)]
async fn photomaker_wants_its_trigger_word_once() {
    let desk = Desk::new(config());
    let far = format!("{} img", "very ".repeat(80));
    for (prompt, negative, error) in [
        ("a woman in a dress", "", "Cannot find the trigger word 'img' in text prompt!"),
        ("an img of a woman img", "", "Cannot use multiple trigger words 'img' in text prompt!"),
        ("a woman img", "bad img", "Cannot use trigger word 'img' in negative prompt!"),
        (far.as_str(), "", "PhotoMaker currently does not support multiple trigger words"),
    ] {
        let mut input = face(prompt);
        input["negative_prompt"] = json!(negative);
        let id = desk.made(PHOTOMAKER, input).await;
        let object = desk.get(&id).await;
        assert_eq!((&object["status"], &object["output"]), (&json!("failed"), &Value::Null));
        assert!(object["error"].as_str().unwrap().starts_with(error), "{object}");
    }
    let id = desk.made(PHOTOMAKER, json!({"input_image": "https://h/a"})).await;
    assert_eq!(desk.status(&id).await, "succeeded");
}
