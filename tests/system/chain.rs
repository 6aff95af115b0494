//! The legacy route and the fallback chain, step by step, with whatever can befall one: one end a
//! render, no attempt left open, the money exact.

use std::time::Duration;

use serde_json::json;
use tryon_core::{
    attempt::{Attempt, Share},
    budget::Account,
    catalogue::{Backend, Size},
    chain::{Fidelity, Step},
    contract::fixtures,
    ids::AttemptId,
    lane::Lane,
    memory::{Call, Mishap},
    money::Micros,
    ports::{Attempts, Written},
    render::{FailureCode, Render, RenderStatus},
    routing::{Percent, Route},
    settings::Settings,
};
use tryon_local::world::World;
use tryon_sandbox::{CallKind, Fault, Nth, Rule, When};

use crate::support::{self, body};

/// Nobody goes to Google.
pub(crate) fn legacy() -> Settings {
    Settings { traffic_percent: Percent::ZERO, ..support::settings() }
}

/// Google answers nobody, for good.
fn google_is_down() -> Rule {
    Rule::new(When::kind(CallKind::Online), Fault::finish("NO_IMAGE"))
}

/// Predictions of one step.
pub(crate) fn of(step: Step) -> When {
    When::kind(CallKind::Prediction).key(format!("/{step}/"))
}

pub(crate) fn create_of(step: Step) -> When {
    When::kind(CallKind::PredictionCreate).key(format!("/{step}/"))
}

pub(crate) async fn one(settings: Settings, rules: Vec<Rule>) -> (World, Render) {
    one_body(settings, rules, body("online", "")).await
}

async fn one_body(
    settings: Settings,
    rules: Vec<Rule>,
    body: serde_json::Value,
) -> (World, Render) {
    let world = support::whole_world(1, settings, rules).await;
    let render = support::play(&world, &[body]).await.remove(0);
    assert!(render.open_attempts.is_empty(), "{:?}", render.open_attempts);
    let late = render.status.ended_at().unwrap() - render.give_up_at;
    assert!(late.num_seconds() <= 90, "ended {late} after its give-up time");
    support::check_calm(&world);
    (world, render)
}

pub(crate) fn made(render: &Render) -> (Step, Fidelity, Size) {
    let RenderStatus::Succeeded { picture, fidelity, size, .. } = &render.status else {
        panic!("no picture: {:?}", render.status);
    };
    let attempt = AttemptId::from(picture.key.strip_prefix("out/").unwrap());
    (attempt.step().unwrap(), *fidelity, *size)
}

fn code(render: &Render) -> Option<FailureCode> {
    match render.status {
        RenderStatus::Failed { code, .. } => Some(code),
        _ => None,
    }
}

pub(crate) fn creates(world: &World) -> u64 {
    world.sandbox.calls().get(&CallKind::PredictionCreate).copied().unwrap_or_default()
}

pub(crate) fn replicate(world: &World) -> tryon_core::budget::Balance {
    support::balance_of(world, &[Account::Replicate])
}

#[tokio::test(start_paused = true)]
async fn the_legacy_route_delivers() {
    let (world, render) = one(legacy(), vec![]).await;
    assert_eq!(made(&render), (Step::NanoBanana, Fidelity::Exact, Size::OneK));
    assert_eq!((render.assigned, render.served), (Route::Legacy, Route::Legacy));
    assert_eq!(render.cost(), Micros::new(150_000));
    assert_eq!(replicate(&world).settled, Micros::new(150_000));
    assert_eq!(support::balance(&world).settled, Micros::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_google_failure_ends_in_photo_maker_and_skips_nano_banana() {
    let (world, render) = one(support::settings(), vec![google_is_down()]).await;
    assert_eq!(made(&render), (Step::PhotoMaker, Fidelity::Described, Size::OneK));
    assert!(render.google_failed);
    assert_eq!(creates(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn the_chain_ends_in_sdxl_or_not_at_all() {
    let maker = Rule::new(of(Step::PhotoMaker), Fault::EmptyOutput);
    let (_, render) = one(support::settings(), vec![google_is_down(), maker.clone()]).await;
    assert_eq!(made(&render), (Step::Sdxl, Fidelity::Described, Size::OneK));
    let sdxl = Rule::new(of(Step::Sdxl), Fault::EmptyOutput);
    let (world, render) = one(support::settings(), vec![google_is_down(), maker, sdxl]).await;
    assert_eq!(code(&render), Some(FailureCode::ProviderUnavailable));
    assert_eq!(creates(&world), 2, "an empty answer is not asked for again");
}

#[tokio::test(start_paused = true)]
async fn a_shop_that_declines_described_pictures_is_not_sent_one() {
    let mut request = body("online", "");
    request["accept_described"] = json!(false);
    let (world, render) = one_body(support::settings(), vec![google_is_down()], request).await;
    assert_eq!(code(&render), Some(FailureCode::ProviderUnavailable));
    assert_eq!(creates(&world), 0);
}

/// Each step of the legacy chain fails in each way; the next one delivers, or nobody.
#[tokio::test(start_paused = true)]
async fn each_failure_of_a_step_has_its_answer() {
    let steps = [Step::NanoBanana, Step::PhotoMaker, Step::Sdxl];
    for (i, step) in steps.into_iter().enumerate() {
        let before: Vec<Rule> =
            steps[..i].iter().map(|s| Rule::new(of(*s), Fault::fail("no (E006)"))).collect();
        let next = steps.get(i + 1).copied();
        // What befalls the step, and how many predictions are created for it.
        let cases = [
            (Rule::new(of(step), Fault::failed("E003")), 3),
            (Rule::new(of(step), Fault::failed("PA")), 3),
            (Rule::new(of(step), Fault::failed("E1000")), 2),
            (Rule::new(of(step), Fault::failed("E6716")), 2),
            (Rule::new(of(step), Fault::failed("E9828")), 2),
            (Rule::new(of(step), Fault::fail("invalid input (E006)")), 1),
            (Rule::new(of(step), Fault::EmptyOutput), 1),
            (Rule::new(of(step), Fault::Stick { seconds: None }), 1),
            (Rule::new(create_of(step), Fault::status(500)), 1),
            (Rule::new(create_of(step), Fault::status(403)), 1),
        ];
        for (rule, tries) in cases {
            let what = format!("{step}: {rule:?}");
            let rules = [before.clone(), vec![rule]].concat();
            let (world, render) = one(legacy(), rules).await;
            match next {
                Some(next) => assert_eq!(made(&render).0, next, "{what}"),
                None => assert!(code(&render).is_some(), "{what}: {:?}", render.status),
            }
            let expected = i as u64 + tries + u64::from(next.is_some());
            assert_eq!(creates(&world), expected, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_tried_again() {
    for (code, times) in [("PA", 2), ("E9828", 1)] {
        let some = of(Step::NanoBanana).nth(Nth::First(times));
        let (world, render) = one(legacy(), vec![Rule::new(some, Fault::failed(code))]).await;
        assert_eq!((made(&render).0, u64::from(render.n)), (Step::NanoBanana, times + 1), "{code}");
        let settled = replicate(&world).settled;
        assert_eq!(settled, Micros::new(150_000), "failures of a picture are free");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_the_render_at_every_step() {
    for step in [Step::NanoBanana, Step::PhotoMaker, Step::Sdxl] {
        let skip = |s| Rule::new(of(s), Fault::EmptyOutput);
        let mut rules = vec![Rule::new(of(step), Fault::failed("E005"))];
        rules.extend([Step::NanoBanana, Step::PhotoMaker].map(skip));
        let (_, render) = one(legacy(), rules).await;
        assert_eq!(code(&render), Some(FailureCode::ContentRefused), "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_create_is_found_in_the_list() {
    let lost = Rule::new(create_of(Step::NanoBanana), Fault::LoseAnswer);
    let (world, render) = one(legacy(), vec![lost]).await;
    assert_eq!(made(&render).0, Step::NanoBanana);
    assert_eq!(creates(&world), 1);
    assert_eq!(replicate(&world).held, Micros::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_lost_create_that_is_listed_late_is_paid_for_and_its_picture_dropped() {
    let rules = vec![
        Rule::new(create_of(Step::NanoBanana), Fault::LoseAnswer),
        Rule::new(When::kind(CallKind::PredictionList), Fault::LagList { seconds: 240 }),
    ];
    let (world, render) = one(legacy(), rules).await;
    // Meanwhile the next step delivered, by grant.
    assert_eq!(made(&render).0, Step::PhotoMaker);
    assert!(render.granted.is_some());
    assert_eq!(replicate(&world).held, Micros::new(150_000));
    support::wait(&world, Duration::from_secs(600)).await;
    let render = support::renders(&world).remove(0);
    assert_eq!((made(&render).0, creates(&world)), (Step::PhotoMaker, 2));
    assert!(render.cost() > Micros::new(150_000), "both stand in its costs: {}", render.cost());
    assert_eq!(replicate(&world).held, Micros::ZERO);
    support::check_money(&world);
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_comes_late_wins_while_nobody_else_delivers() {
    let rules = vec![
        Rule::new(create_of(Step::NanoBanana), Fault::LoseAnswer),
        Rule::new(When::kind(CallKind::PredictionList), Fault::LagList { seconds: 60 }),
        Rule::new(of(Step::PhotoMaker), Fault::Stick { seconds: None }),
    ];
    let (_, render) = one(legacy(), rules).await;
    assert_eq!(made(&render), (Step::NanoBanana, Fidelity::Exact, Size::OneK));
}

#[tokio::test(start_paused = true)]
async fn a_429_is_waited_for() {
    let wait = Fault::Status { code: 429, retry_after_seconds: Some(17) };
    let rules = vec![Rule::new(create_of(Step::NanoBanana).nth(Nth::First(2)), wait)];
    let (world, render) = one(legacy(), rules).await;
    assert_eq!((made(&render).0, render.n), (Step::NanoBanana, 1));
    let took = render.status.ended_at().unwrap() - render.accepted_at;
    assert!(took.num_seconds() >= 34, "ended after {took}");
    assert_eq!(creates(&world), 3);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_away_for_a_minute_is_waited_for() {
    let minute = When::any().between(Duration::ZERO, Duration::from_secs(60));
    let rules = vec![Rule::new(minute, Fault::RefuseConnection)];
    let (world, render) = one(legacy(), rules).await;
    assert_eq!(made(&render).0, Step::NanoBanana);
    assert_eq!(world.sandbox.bill().charges.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn polls_and_pictures_that_fail_are_asked_for_again() {
    let some = |kind, fault| Rule::new(When::kind(kind).nth(Nth::First(3)), fault);
    let rules = vec![
        some(CallKind::PredictionGet, Fault::status(502)),
        some(CallKind::Delivery, Fault::CutPicture { after_bytes: 100 }),
    ];
    let (world, render) = one(legacy(), rules).await;
    assert_eq!((made(&render).0, render.n), (Step::NanoBanana, 1));
    assert_eq!(world.sandbox.bill().charges.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_message_twice_means_one_end_and_one_charge() {
    let world = support::whole_world(1, legacy(), Vec::new()).await;
    for nth in (1..120).step_by(2) {
        world.chaos.fail_nth(Call::Receive, nth, Mishap::Duplicate);
        world.chaos.fail_nth(Call::Deliver, nth, Mishap::Duplicate);
        world.chaos.fail_nth(Call::QueueSend, nth, Mishap::Duplicate);
    }
    let renders = support::play(&world, &[body("online", ""), body("batch", "")]).await;
    assert_eq!(support::succeeded(&renders), 2);
    assert_eq!(world.sandbox.bill().charges.len(), 2);
    support::check(&world);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_hangs_is_looked_for_all_the_same() {
    let lost =
        Rule { delay_seconds: 45.0, ..Rule::new(create_of(Step::NanoBanana), Fault::LoseAnswer) };
    let (world, render) = one(legacy(), vec![lost]).await;
    assert_eq!((made(&render).0, creates(&world)), (Step::NanoBanana, 1));
    assert_eq!(render.granted, None);
}

/// Plays a render for a while, and then finds an attempt for it that waits, and whose tick and whose
/// cancel were lost. Returns how many calls buy.
async fn beside_one_that_waits(waits: Attempt, rules: Vec<Rule>, body: serde_json::Value) -> u64 {
    let world = support::whole_world(1, legacy(), rules).await;
    let script = async {
        let id = support::accept(&world, &body, "key").await;
        world.clock.sleep(Duration::from_secs(40)).await;
        let waits = Attempt {
            id: AttemptId::of(&id.as_batch(), waits.step, 1),
            batch_id: id.as_batch(),
            shares: vec![Share { render_id: id, ..waits.shares[0].clone() }],
            date: world.clock.now().date_naive(),
            ..waits
        };
        let write = waits.open_deferred(world.clock.now());
        assert_eq!(world.attempts.write(&write).await, Ok(Written::Done));
        world.clock.sleep(Duration::from_secs(130)).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let bought = [CallKind::PredictionCreate, CallKind::Online];
    bought.iter().filter_map(|kind| world.sandbox.calls().get(kind).copied()).sum()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_bought_for_a_render_that_went_on_without() {
    let draft = fixtures::attempt(1, &[Micros::new(100_000)]);
    let online = Attempt { lane: Lane::Online, backend: Backend::GeminiOnline, ..draft };
    // It has ended; and it is at another step.
    assert_eq!(beside_one_that_waits(online.clone(), vec![], body("online", "")).await, 1);
    let maker = Attempt {
        step: Step::PhotoMaker,
        backend: Backend::Replicate,
        account: Account::Replicate,
        ..online
    };
    let stick = Rule::new(of(Step::Upscale), Fault::Stick { seconds: None });
    assert_eq!(beside_one_that_waits(maker, vec![stick], large("online")).await, 2);
}

fn large(lane: &str) -> serde_json::Value {
    let mut request = body(lane, "");
    request["quality"] = json!("4k");
    request
}

#[tokio::test(start_paused = true)]
async fn a_large_picture_is_enlarged_on_every_route() {
    for (settings, lane, source) in [
        (support::settings(), "online", "gemini"),
        (support::settings(), "batch", "gemini"),
        (legacy(), "online", "nano_banana"),
    ] {
        let (_, render) = one_body(settings, vec![], large(lane)).await;
        assert_eq!(made(&render), (Step::Upscale, Fidelity::Exact, Size::FourK), "{source}");
        assert!(render.interim.unwrap().picture.key.contains(source));
    }
    // What was described before is described after.
    let (_, render) = one_body(support::settings(), vec![google_is_down()], large("online")).await;
    assert_eq!(made(&render), (Step::Upscale, Fidelity::Described, Size::FourK));
}

#[tokio::test(start_paused = true)]
async fn the_small_picture_is_delivered_where_enlarging_fails() {
    for rule in [
        Rule::new(of(Step::Upscale), Fault::EmptyOutput),
        Rule::new(of(Step::Upscale), Fault::failed("E9828")),
        Rule::new(of(Step::Upscale), Fault::failed("E005")),
        Rule::new(of(Step::Upscale), Fault::Stick { seconds: None }),
        Rule::new(create_of(Step::Upscale), Fault::status(500)),
        Rule::new(create_of(Step::Upscale), Fault::status(429)),
    ] {
        let what = format!("{rule:?}");
        let (_, render) = one_body(support::settings(), vec![rule], large("online")).await;
        assert_eq!(made(&render), (Step::Gemini, Fidelity::Exact, Size::OneK), "{what}");
    }
}
