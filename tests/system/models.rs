//! Models are data: other backends, other sizes, and what happens when one is gone or thinks too long.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tryon_core::{
    attempt::{Attempt, AttemptState},
    catalogue::{Catalogue, Size},
    chain::Step,
    contract::fixtures,
    lane::Lane,
    money::Micros,
    outcome::{FailClass, Outcome},
    render::{FailureCode, Render, RenderStatus},
};
use tryon_local::{
    arrivals::GARMENTS,
    google::Google,
    world::{World, WorldConfig},
};
use tryon_providers::google::{Auth, Host, ImageForm};
use tryon_sandbox::{CallKind, Fault, Nth, Rule, SandboxConfig, When};

use crate::{
    numbers::counted,
    support::{self, body},
};

pub(crate) const BUILT_IN: &str = include_str!("../../crates/core/catalogue.toml");
const BANANA: &str = "gemini-nano-banana-2.1";
/// Another living model of Google's, and a dear one.
pub(crate) const PRO: &str = r#"
[entry.pro]
model = "gemini-3-pro-image"
online = "gemini-online"
batch = "gemini-batch"
size = "1K"
thinking = "HIGH"
max_output_tokens = 4096
typical_text_tokens = 960
max_pictures = 14
call_timeout_seconds = 120
prompt = "Dress the person of image 1 in {garments}. {wish}"

[entry.pro.price]
input_nanos = 2000
text_nanos = 12000
image_nanos = 120000
tokens_per_picture = 560
image_tokens = 1120
batch_percent = 50
"#;

/// The built-in catalogue with these edits, and one more model.
fn catalogue(edits: &[(&str, &str)]) -> Arc<Catalogue> {
    // Nothing takes over, unless a test says so.
    let mut text = fixtures::catalogue_without_lite();
    for (from, to) in edits {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    Arc::new(Catalogue::parse(&(text + PRO)).unwrap())
}

async fn world(catalogue: Arc<Catalogue>, rules: Vec<Rule>) -> World {
    support::world_of(WorldConfig {
        seed: 1,
        settings: support::settings(),
        sandbox: support::quick(1, rules),
        catalogue: Some(catalogue),
        steps: &[Step::Gemini],
        ..support::undisturbed()
    })
    .await
}

/// SD is served by the model for trying on.
fn try_on() -> Arc<Catalogue> {
    catalogue(&[("sd = \"nano-banana-1k-minimal\"", "sd = \"virtual-try-on\"")])
}

/// SD's model has a successor, which costs three times as much.
fn with_successor() -> Arc<Catalogue> {
    let minimal = "[entry.nano-banana-1k-minimal]\n";
    catalogue(&[(minimal, &format!("{minimal}successor = \"pro\"\n"))])
}

fn gone() -> Vec<Rule> {
    let paying = [CallKind::Online, CallKind::Create];
    let gone = |kind| Rule::new(When::kind(kind).model(BANANA), Fault::status(404));
    paying.map(gone).to_vec()
}

fn attempts(world: &World) -> Vec<Attempt> {
    let mut attempts = world.attempts.attempts();
    attempts.sort_by(|a, b| a.id.cmp(&b.id));
    attempts
}

#[test]
fn a_model_that_is_gone_gives_way_in_mid_run() {
    let numbers = counted(async {
        let world = world(with_successor(), gone()).await;
        let renders = support::play(&world, &[body("online", ""), body("batch", "")]).await;
        assert_eq!(support::succeeded(&renders), 2, "{renders:#?}");
        assert!(renders.iter().all(|render| render.entry.as_str() == "pro"));
        // Charged once each, by the successor and at its price.
        let bill = world.sandbox.bill();
        assert!(
            bill.charges.len() == 2 && bill.charges.iter().all(|c| c.model == "gemini-3-pro-image")
        );
        assert!(bill.total() > Micros::new(150_000), "{}", bill.total());
        // The successor's money was reserved by a try of its own.
        let made = attempts(&world);
        let of = |model: &str| made.iter().filter(|a| a.model == model).collect::<Vec<_>>();
        let (old, new) = (of(BANANA), of("gemini-3-pro-image"));
        assert_eq!((old.len(), new.len()), (2, 2));
        for attempt in old {
            let AttemptState::Settled { outcomes, .. } = &attempt.state else { panic!() };
            assert_eq!(outcomes[0].outcome, Outcome::Failed { class: FailClass::Retired });
            assert_eq!(outcomes[0].cost, Micros::ZERO);
        }
        for (old, new) in of(BANANA).iter().zip(new) {
            assert!(new.reserved() > old.reserved());
        }
        support::check_calm(&world);
    });
    assert_eq!(numbers.get(&format!("model_retired {BANANA}")), Some(&2.0));
    assert_eq!(numbers.get("models_retired"), Some(&2.0));
    assert_eq!(numbers.get("attempts_failed retired"), Some(&2.0));
}

#[test]
fn a_job_that_finds_its_model_gone_gives_way_too() {
    let first = |kind| When::kind(kind).nth(Nth::First(1));
    for rule in [
        Rule::new(first(CallKind::Create), Fault::FailJob { code: 5 }),
        Rule::new(first(CallKind::Row), Fault::ErrorRow { code: 5 }),
    ] {
        let numbers = counted(async {
            let world = world(with_successor(), vec![rule.clone()]).await;
            let renders = support::play(&world, &[body("batch", "")]).await;
            assert_eq!(support::succeeded(&renders), 1, "{renders:#?}");
            assert_eq!(renders[0].entry.as_str(), "pro");
            support::check_calm(&world);
        });
        assert_eq!(numbers.get(&format!("model_retired {BANANA}")), Some(&1.0), "{rule:?}");
    }
}

#[test]
fn a_model_that_draws_for_others_is_not_gone() {
    let numbers = counted(async {
        let odd = When::kind(CallKind::Row).prompt("odd").nth(Nth::First(1));
        let rules = vec![Rule::new(odd, Fault::ErrorRow { code: 5 })];
        let world = world(with_successor(), rules).await;
        let renders = support::play(&world, &[body("batch", "odd"), body("batch", "")]).await;
        assert_eq!(support::succeeded(&renders), 2, "{renders:#?}");
        assert!(renders.iter().all(|render| render.entry.as_str() != "pro"));
        support::check_calm(&world);
    });
    assert_eq!(numbers.get(&format!("model_retired {BANANA}")), None);
}

/// The whole chain, and no other model of Google's.
async fn alone(rules: Vec<Rule>) -> World {
    support::world_of(WorldConfig {
        seed: 1,
        settings: support::settings(),
        sandbox: support::quick(1, rules),
        catalogue: Some(catalogue(&[])),
        steps: &Step::ALL,
        ..support::undisturbed()
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn without_a_successor_the_render_goes_on_along_its_chain() {
    let world = alone(gone()).await;
    let renders = support::play(&world, &[body("online", "")]).await;
    assert_eq!(support::succeeded(&renders), 1);
    assert_eq!(renders[0].step, Step::PhotoMaker);
    support::check_calm(&world);
}

#[test]
fn without_a_successor_the_breaker_opens_and_stays_open() {
    let numbers = counted(async {
        let world = alone(gone()).await;
        support::play(&world, &[body("online", "")]).await;
        support::wait(&world, Duration::from_secs(70)).await;
        // This one tries whether the model is back.
        support::play_more(&world, &[body("online", "")], "later").await;
        support::check_calm(&world);
    });
    assert_eq!(numbers.get(&format!("model_retired {BANANA}")), Some(&2.0), "{numbers:#?}");
    assert_eq!(numbers.get("breaker_moves gemini-online opened"), Some(&2.0));
    assert_eq!(numbers.get("breaker_moves gemini-online closed"), None);
}

#[tokio::test(start_paused = true)]
async fn the_shipped_catalogue_has_a_successor_at_the_same_price() {
    let world = support::world(1, support::settings(), gone()).await;
    let renders = support::play(&world, &[body("online", ""), body("batch", "")]).await;
    assert_eq!(support::succeeded(&renders), 2, "{renders:#?}");
    let charges = world.sandbox.bill().charges;
    assert!(charges.iter().all(|charge| charge.model == "gemini-3.1-flash-lite-image"));
    assert!(world.sandbox.bill().total() < Micros::new(60_000));
    support::check_calm(&world);
}

#[test]
fn retirement_is_told_before_and_after_its_day() {
    let minimal = "[entry.nano-banana-1k-minimal]\n";
    // The world begins on 2024-10-04.
    for (retires, model, days) in [("2024-10-24", BANANA, 20.0), ("2024-10-01", BANANA, -3.0)] {
        let numbers = counted(async {
            let edit = format!("{minimal}retires = \"{retires}\"\nsuccessor = \"pro\"\n");
            let world = world(catalogue(&[(minimal, &edit)]), Vec::new()).await;
            let renders = support::play(&world, &[body("online", "")]).await;
            assert_eq!(support::succeeded(&renders), 1);
            let expected = if days > 0.0 { "nano-banana-1k-minimal" } else { "pro" };
            assert_eq!(renders[0].entry.as_str(), expected);
            support::wait(&world, Duration::from_secs(120)).await;
        });
        assert_eq!(numbers.get(&format!("model_retires_days {model}")), Some(&days));
        assert_eq!(numbers.get("models_retire_days"), Some(&days));
        let alarm = numbers.get(&format!("model_retired {model}"));
        assert_eq!(alarm.is_some(), days < 1.0, "{numbers:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_waited_past_its_models_last_day_is_not_bought_from_it() {
    // The world begins on 2024-10-04; at midnight all four entries retire.
    let retires = "successor = \"pro\"\nretires = \"2024-10-05\"\n";
    let text = BUILT_IN.replace("successor = \"nano-banana-lite\"\n", retires) + PRO;
    // For a day Google takes no jobs.
    let busy = When::kind(CallKind::Create).model(BANANA);
    let world = world(
        Arc::new(Catalogue::parse(&text).unwrap()),
        vec![Rule::new(busy, Fault::status(429))],
    )
    .await;
    let mut patient = body("batch", "");
    patient["deadline_seconds"] = json!(100_000);
    let renders = support::play(&world, &[patient]).await;
    assert_eq!(support::succeeded(&renders), 1, "{renders:#?}");
    assert_eq!(renders[0].entry.as_str(), "pro");
    let made = attempts(&world);
    let old = made.iter().find(|attempt| attempt.model == BANANA).unwrap();
    let AttemptState::Settled { at, outcomes } = &old.state else { panic!("{old:?}") };
    assert_eq!(outcomes[0].outcome, Outcome::Failed { class: FailClass::Retired });
    assert_eq!(at.date_naive().to_string(), "2024-10-05");
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn one_more_try_thinks_less() {
    let thinks = |kind| {
        let first = When::kind(kind).prompt("ponder").nth(Nth::First(1));
        Rule::new(first, Fault::finish("MAX_TOKENS"))
    };
    let rules = [CallKind::Online, CallKind::Row].map(thinks).to_vec();
    let world = support::world(1, support::settings(), rules).await;
    let hd = |lane| {
        let mut body = body(lane, "ponder");
        body["quality"] = json!("hd");
        body
    };
    let renders = support::play(&world, &[hd("online"), hd("batch")]).await;
    assert_eq!(support::succeeded(&renders), 2);
    assert!(renders.iter().all(|render| render.entry.as_str() == "nano-banana-1k-minimal"));
    // Both tries are paid for: the first for what it thought.
    assert_eq!(world.sandbox.bill().charges.len(), 4);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_picture_is_tried_on_by_predict() {
    let world = world(try_on(), Vec::new()).await;
    let renders = support::play(&world, &[body("online", "")]).await;
    assert_eq!(support::succeeded(&renders), 1);
    assert_eq!(renders[0].cost(), Micros::new(60_000));
    assert_eq!(attempts(&world)[0].reserved(), Micros::new(60_000));
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn predict_filters_and_forgets() {
    for (fault, code, calls) in [
        ("IMAGE_SAFETY", FailureCode::ContentRefused, 1),
        // An answer without a prediction: asked once more, and no bill either time.
        ("NO_IMAGE", FailureCode::ProviderUnavailable, 2),
    ] {
        let rules = vec![Rule::new(When::kind(CallKind::Online), Fault::finish(fault))];
        let world = world(try_on(), rules).await;
        let renders = support::play(&world, &[body("online", "")]).await;
        assert_eq!(support::failed(&renders, code), 1, "{fault}: {renders:#?}");
        assert_eq!(world.sandbox.calls()[&CallKind::Online], calls);
        assert_eq!(renders[0].cost(), Micros::ZERO);
        support::check_calm(&world);
    }
}

async fn refused(world: &World, body: &Value) -> String {
    world.accept(body, "key").await.unwrap_err().to_string()
}

#[tokio::test(start_paused = true)]
async fn what_a_model_cannot_do_is_refused_at_the_edge() {
    let world = world(try_on(), Vec::new()).await;
    let mut two = body("online", "");
    let garment = |n: usize| json!({"photo": GARMENTS[n].0, "category": "shirt"});
    two["garments"] = json!([garment(0), garment(1)]);
    let error = refused(&world, &two).await;
    assert!(error.contains("422") && error.contains("give at most 1 garments"), "{error}");
    let error = refused(&world, &body("batch", "")).await;
    assert!(error.contains("422") && error.contains("no batch lane"), "{error}");
    // Another quality has a model that takes both.
    two["quality"] = json!("hd");
    // Nobody asked for a lane: it is the one that there is.
    let mut patient = body("online", "");
    patient.as_object_mut().unwrap().remove("lane");
    patient["deadline_seconds"] = json!(7_200);
    let renders = support::play(&world, &[two, patient]).await;
    assert_eq!(support::succeeded(&renders), 2);
    assert!(renders.iter().all(|render| render.lane == Lane::Online));
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn four_k_in_one_go_needs_no_second_step() {
    let native = [("4k = \"nano-banana-1k-medium\"", "4k = \"nano-banana-4k\"")];
    let world = support::world_of(WorldConfig {
        seed: 1,
        settings: support::settings(),
        sandbox: support::quick(1, Vec::new()),
        catalogue: Some(catalogue(&native)),
        ..support::undisturbed()
    })
    .await;
    let four_k = |lane| {
        let mut body = body(lane, "");
        body["quality"] = json!("4k");
        body
    };
    let renders = support::play(&world, &[four_k("online"), four_k("batch")]).await;
    let sizes: Vec<_> = renders.iter().map(size).collect();
    assert_eq!(sizes, [Some(Size::FourK); 2]);
    assert!(renders.iter().all(|render| render.step == Step::Gemini && render.n == 1));
    assert!(!world.sandbox.calls().contains_key(&CallKind::PredictionCreate));
    support::check_calm(&world);
}

fn size(render: &Render) -> Option<Size> {
    match render.status {
        RenderStatus::Succeeded { size, .. } => Some(size),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn vertex_is_told_in_its_newer_form() {
    let google = Google { image_form: ImageForm::ResponseFormat, ..Google::default() };
    let world = support::world_of(WorldConfig {
        seed: 1,
        settings: support::settings(),
        sandbox: support::quick(1, Vec::new()),
        google,
        steps: &[Step::Gemini],
        ..WorldConfig::default()
    })
    .await;
    // Batches are the Developer API's, which knows the one form.
    let renders = support::play(&world, &[body("online", ""), body("batch", "")]).await;
    assert_eq!(support::succeeded(&renders), 2, "{renders:#?}");
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn the_developer_api_serves_both_lanes_with_a_key() {
    let sandbox =
        SandboxConfig { api_key: Some("key-1".to_owned()), ..support::quick(1, Vec::new()) };
    let google = Google {
        host: Host::Developer(Auth::ApiKey),
        batch_auth: Auth::ApiKey,
        ..Google::default()
    };
    let settings = support::settings();
    let steps = &[Step::Gemini];
    let config =
        WorldConfig { seed: 1, settings, sandbox, google, steps, ..support::undisturbed() };
    let world = support::world_of(config).await;
    let renders = support::play(&world, &[body("online", ""), body("batch", "")]).await;
    assert_eq!(support::succeeded(&renders), 2);
    assert!(!world.sandbox.calls().contains_key(&CallKind::Token));
    support::check_calm(&world);
}
