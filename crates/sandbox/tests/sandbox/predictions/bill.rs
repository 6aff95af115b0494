use std::time::Duration;

use serde_json::{Value, json};
use tryon_core::{
    catalogue::{Catalogue, PredictionPrice},
    lane::Lane,
    money::Micros,
};
use tryon_sandbox::{CallKind, Charge, Fault, Latency, Provider, Rule, SandboxConfig, When};

use super::{API, Desk, NANO_BANANA, PHOTOMAKER, SDXL, UPSCALE, config, dress, face};

fn running(seconds: u64) -> SandboxConfig {
    SandboxConfig { latency: Latency::Fixed(Duration::from_secs(seconds)), ..config() }
}

fn nanos(desk: &Desk) -> Vec<u128> {
    desk.bench.sandbox.bill().charges.iter().map(|charge| charge.nanos).collect()
}

#[tokio::test(start_paused = true)]
async fn official_models_cost_by_the_picture() {
    let desk = Desk::new(running(10));
    let mut large = dress("r-2%2Fnano_banana%2F1");
    large["resolution"] = json!("4K");
    desk.made(NANO_BANANA, dress("r-1/nano_banana/1")).await;
    desk.made(NANO_BANANA, large).await;
    let upscale = desk.made(UPSCALE, json!({"image": "https://h/a"})).await;
    desk.pass(9).await;
    assert_eq!(nanos(&desk), [], "nothing is owed before its end");
    desk.pass(1).await;
    let bill = desk.bench.sandbox.bill();
    let told: Vec<_> =
        bill.charges.iter().map(|c| (c.attempt.as_str(), c.model.as_str(), c.nanos)).collect();
    assert_eq!(
        told,
        [
            ("r-1/nano_banana/1", NANO_BANANA, 150_000_000),
            ("r-2/nano_banana/1", NANO_BANANA, 300_000_000),
            (upscale.as_str(), "nightmareai/real-esrgan", 2_000_000),
        ]
    );
    assert!(bill.charges.iter().all(|charge| charge.lane == Lane::Online && charge.answered));
    assert_eq!(bill.of_provider(Provider::Replicate), bill);
    assert_eq!(bill.of_provider(Provider::Google).total(), Micros::ZERO);
}

#[tokio::test(start_paused = true)]
async fn community_models_cost_by_the_second_that_is_told() {
    let catalogue = Catalogue::built_in().unwrap();
    let config = SandboxConfig { latency: Latency::Documented, ..config() };
    let desk = Desk::new(config.priced_by(&catalogue));
    for (version, input) in [(PHOTOMAKER, face("a woman img")), (SDXL, json!({"seed": 1}))] {
        let id = desk.made(version, input).await;
        desk.pass(200).await;
        let object = desk.get(&id).await;
        let seconds = object["metrics"]["predict_time"].as_f64().unwrap();
        let (_, step) = catalogue
            .predictions()
            .find(|(_, step)| step.version.as_deref() == Some(version))
            .unwrap();
        let bill = desk.bench.sandbox.bill();
        let charged: Vec<Micros> = bill.of(&id).map(Charge::micros).collect();
        let expected = step.bill(1, Some(Duration::from_secs_f64(seconds))).unwrap();
        assert_eq!(charged, [expected], "{version}: {seconds}");
        assert!(matches!(step.price, PredictionPrice::SecondNanos(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn failed_empty_and_cancelled_ones_cost_what_ran() {
    let prediction = |part: &str| When::kind(CallKind::Prediction).prompt(part);
    let rules = vec![
        Rule::new(prediction("fails"), Fault::failed("E003")),
        Rule::new(prediction("empty"), Fault::EmptyOutput),
        Rule::new(prediction("stuck"), Fault::Stick { seconds: None }),
    ];
    let desk = Desk::with_rules(running(10), rules);
    let cost = async |version: &str, mut input: Value, prompt: &str, cancel: bool| {
        input["prompt"] = prompt.into();
        let id = desk.made(version, input).await;
        desk.pass(5).await;
        if cancel {
            desk.cancel(&id).await;
        }
        desk.pass(5).await;
        let object = desk.get(&id).await;
        let told = object["metrics"]["predict_time"].as_f64();
        let charged: Vec<u128> =
            desk.bench.sandbox.bill().of(&id).map(|charge| charge.nanos).collect();
        if version == SDXL && !charged.is_empty() {
            let ran = Duration::from_secs_f64(told.unwrap()).as_millis();
            assert_eq!(charged, [ran * 975]);
        }
        charged.iter().sum::<u128>()
    };
    let free = json!({});
    assert_eq!(cost(NANO_BANANA, free.clone(), "fails", false).await, 0);
    assert_eq!(cost(NANO_BANANA, free.clone(), "empty", false).await, 0);
    assert_eq!(cost(NANO_BANANA, free.clone(), "cancelled", true).await, 0);
    let failed = cost(SDXL, free.clone(), "fails", false).await;
    assert!((975_000..=9_750_000).contains(&failed), "{failed}");
    assert_eq!(cost(SDXL, free.clone(), "empty", false).await, 9_750_000);
    assert_eq!(cost(SDXL, free.clone(), "cancelled", true).await, 4_875_000);
    assert_eq!(cost(SDXL, free, "stuck", true).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_charge_is_answered_once_the_caller_can_know() {
    let lost = When::kind(CallKind::PredictionCreate);
    let desk = Desk::with_rules(running(10), vec![Rule::new(lost, Fault::LoseAnswer)]);
    let body = json!({"version": NANO_BANANA, "input": dress("a")}).to_string();
    let url = format!("{API}/v1/predictions");
    assert!(desk.try_call(http::Method::POST, &url, &[], body).await.is_err());
    let listed = desk.try_get(&url).await.unwrap().json();
    let id = listed["results"][0]["id"].as_str().unwrap().to_owned();
    desk.status(&id).await;
    desk.pass(10).await;
    let answered = || desk.bench.sandbox.bill().charges[0].answered;
    assert!(!answered(), "an unfinished one tells nothing of its price");
    assert_eq!(desk.status(&id).await, "succeeded");
    assert!(answered());
}
