//! Replicate's account refused: nothing is bought, renders wait, one tries; and what is no fault of
//! the account shuts nobody out.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tryon_core::{
    attempt::{AttemptState, NeverBought},
    catalogue::Backend,
    chain::Step,
    money::Micros,
    ports::ProviderHealth,
    render::{FailureCode, Render, RenderStatus},
    routing::Route,
    vitals::{Gate, Tally},
};
use tryon_local::world::World;
use tryon_sandbox::{CallKind, Fault, Rule, When};

use crate::{
    chain::{legacy, made, replicate},
    health::{gate, open},
    support::{self, body},
};

const ACCOUNT: Backend = Backend::Replicate;

fn creates(from: u64, to: u64) -> When {
    When::kind(CallKind::PredictionCreate)
        .between(Duration::from_secs(from), Duration::from_secs(to))
}

fn created(world: &World) -> u64 {
    world.sandbox.calls().get(&CallKind::PredictionCreate).copied().unwrap_or_default()
}

/// A legacy render each `every` seconds.
async fn play(world: &World, count: usize, every: u64) -> Vec<Render> {
    let script = async {
        for number in 0..count {
            let mut body = body("online", "");
            body["user_id"] = json!(format!("shopper-{number}"));
            support::accept(world, &body, &format!("key-{number}")).await;
            world.clock.sleep(Duration::from_secs(every)).await;
        }
        support::settle(world, count).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    support::renders(world)
}

async fn tally(world: &World, subject: impl Into<tryon_core::vitals::Subject>) -> Tally {
    let now = world.clock.now();
    world.health.read(subject.into(), now).await.unwrap().within(10, now)
}

#[tokio::test(start_paused = true)]
async fn renders_wait_for_an_account_that_is_refused_and_have_their_picture_when_it_is_not() {
    for status in [401, 402] {
        let refused = Rule::new(creates(0, 150), Fault::status(status));
        let world = support::whole_world(1, legacy(), vec![refused]).await;
        let renders = play(&world, 20, 10).await;
        assert!(renders.iter().all(|render| made(render).0 == Step::NanoBanana), "{status}");
        // The first, those that were under way, and who tried after a minute.
        assert!(created(&world) <= 20 + 4, "{status}: {} creates", created(&world));
        assert_eq!(gate(&world, ACCOUNT).await, Gate::Closed);
        assert_eq!(world.sandbox.bill().charges.len(), 20);
        support::check_calm(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn where_nobody_sees_to_it_renders_end_in_time_and_say_so() {
    let refused = Rule::new(When::kind(CallKind::PredictionCreate), Fault::status(402));
    let world = support::whole_world(1, legacy(), vec![refused]).await;
    let renders = play(&world, 10, 5).await;
    for render in &renders {
        let RenderStatus::Failed { code, at } = render.status else {
            panic!("{:?}", render.status)
        };
        assert_eq!(code, FailureCode::ProviderUnavailable);
        assert!(at <= render.give_up_at, "ended {}", at - render.give_up_at);
    }
    // Within ten minutes: the first, then one after a minute, and one every two.
    assert!(created(&world) <= 10, "{} creates", created(&world));
    assert!(matches!(gate(&world, ACCOUNT).await, Gate::Open { .. } | Gate::HalfOpen));
    assert_eq!((world.sandbox.bill().charges.len(), replicate(&world).held), (0, Micros::ZERO));
    let diverted = world.attempts.attempts().into_iter().filter(|attempt| {
        matches!(attempt.state, AttemptState::NeverBought { why: NeverBought::Diverted, .. })
    });
    assert!(diverted.count() >= 30, "each step had its turn");
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_prediction_that_fails_for_the_account_shuts_it_and_one_that_goes_well_opens_it() {
    for error in ["E001", "E002"] {
        let times =
            When::kind(CallKind::Prediction).between(Duration::ZERO, Duration::from_secs(30));
        let world =
            support::whole_world(1, legacy(), vec![Rule::new(times, Fault::failed(error))]).await;
        let script = async {
            support::accept(&world, &body("online", ""), "key").await;
            world.clock.sleep(Duration::from_secs(40)).await;
            assert!(matches!(gate(&world, ACCOUNT).await, Gate::Open { .. }), "{error}");
            for number in 0..5 {
                support::accept(&world, &body("online", ""), &format!("key-{number}")).await;
            }
            while !matches!(gate(&world, ACCOUNT).await, Gate::Probing { .. }) {
                assert_eq!(created(&world), 1, "{error}: nobody buys");
                world.clock.sleep(Duration::from_secs(1)).await;
            }
            world.clock.sleep(Duration::from_secs(10)).await;
            assert!(matches!(gate(&world, ACCOUNT).await, Gate::Probing { .. }), "{error}");
            assert_eq!(created(&world), 2, "{error}: one tries");
            support::settle(&world, 6).await;
            Ok(())
        };
        world.serve_until(script).await.unwrap();
        assert_eq!(support::succeeded(&support::renders(&world)), 6);
        assert_eq!(gate(&world, ACCOUNT).await, Gate::Closed);
        support::check_calm(&world);
    }
}

/// A try that tells nothing keeps nobody waiting.
#[tokio::test(start_paused = true)]
async fn where_a_try_is_lost_the_next_one_tries() {
    let refused = Rule::new(creates(0, 10), Fault::status(402));
    let lost = Rule::new(creates(10, 70), Fault::status(500));
    let world = support::whole_world(1, legacy(), vec![refused, lost]).await;
    let renders = play(&world, 6, 1).await;
    assert_eq!(support::succeeded(&renders), 6);
    let longest =
        renders.iter().map(|r| r.status.ended_at().unwrap() - r.accepted_at).max().unwrap();
    assert!(longest < TimeDelta::seconds(200), "{longest}");
    assert_eq!(gate(&world, ACCOUNT).await, Gate::Closed);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_fault_of_the_account_shuts_nobody_out() {
    let banana = |kind| When::kind(kind).key("nano_banana");
    let create = || banana(CallKind::PredictionCreate);
    let rules = [
        Rule::new(create(), Fault::status(403)),
        Rule::new(create(), Fault::status(404)),
        Rule::new(create(), Fault::status(422)),
        Rule::new(create(), Fault::status(500)),
        Rule::new(create(), Fault::status(307)),
        Rule::new(banana(CallKind::Prediction), Fault::failed("E003")),
        Rule::new(banana(CallKind::Prediction), Fault::failed("PA")),
        Rule::new(banana(CallKind::Prediction), Fault::failed("E9828")),
        Rule::new(banana(CallKind::Prediction), Fault::failed("E006")),
        Rule::new(banana(CallKind::Prediction), Fault::EmptyOutput),
        Rule::new(banana(CallKind::Delivery), Fault::status(302)),
    ];
    for rule in rules {
        let world = support::whole_world(1, legacy(), vec![rule.clone()]).await;
        let renders = play(&world, 8, 5).await;
        assert_eq!(support::succeeded(&renders), 8, "{rule:?}");
        assert_eq!(gate(&world, ACCOUNT).await, Gate::Closed, "{rule:?}");
        assert!(renders.iter().all(|render| made(render).0 == Step::PhotoMaker), "{rule:?}");
        support::check_calm(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn each_model_is_counted_for_itself() {
    let down = Rule::new(
        When::kind(CallKind::Prediction).key("/nano_banana/"),
        Fault::fail("input (E006) is fine; out of memory: Director: unexpected (E9828)"),
    );
    let empty =
        Rule::new(When::kind(CallKind::Prediction).key("/photo_maker/"), Fault::EmptyOutput);
    let stuck = Rule::new(
        When::kind(CallKind::PredictionCreate).key("/sdxl/").nth(tryon_sandbox::Nth::First(1)),
        Fault::status(429),
    );
    let world = support::whole_world(1, legacy(), vec![down, empty, stuck]).await;
    let script = async {
        support::accept(&world, &body("online", ""), "key").await;
        support::settle(&world, 1).await;
        let (banana, maker) =
            (tally(&world, Step::NanoBanana).await, tally(&world, Step::PhotoMaker).await);
        assert_eq!((banana.timed, maker.timed), (0, 0));
        assert_eq!((maker.calls, maker.failures), (1, 0), "an empty answer is one");
        let sdxl = tally(&world, Step::Sdxl).await;
        assert_eq!((sdxl.calls, sdxl.failures, sdxl.throttled, sdxl.retries), (2, 0, 1, 1));
        let took = sdxl.mean().unwrap();
        assert!((5..60).contains(&took.as_secs()), "{took:?}");
        let all = tally(&world, ACCOUNT).await;
        assert_eq!(all.calls, banana.calls + maker.calls + sdxl.calls);
        assert_eq!(all.failures, banana.failures);
        Ok(())
    };
    world.serve_until(script).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_refused_shuts_the_account_too() {
    let polls =
        When::kind(CallKind::PredictionGet).between(Duration::ZERO, Duration::from_secs(20));
    let world = support::whole_world(1, legacy(), vec![Rule::new(polls, Fault::status(401))]).await;
    let script = async {
        support::accept(&world, &body("online", ""), "key").await;
        world.clock.sleep(Duration::from_secs(10)).await;
        assert!(matches!(gate(&world, ACCOUNT).await, Gate::Open { .. }));
        support::accept(&world, &body("online", ""), "another").await;
        support::settle(&world, 2).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    assert_eq!(support::succeeded(&support::renders(&world)), 2);
    assert_eq!((created(&world), gate(&world, ACCOUNT).await), (2, Gate::Closed));
    support::check_calm(&world);
}

/// Google down, and no money at Replicate: renders keep to Google, which mends itself.
#[tokio::test(start_paused = true)]
async fn nobody_is_sent_to_an_account_that_is_refused() {
    let world = support::whole_world(1, support::settings(), vec![]).await;
    let script = async {
        open(&world, Backend::GeminiOnline, TimeDelta::seconds(20)).await;
        open(&world, ACCOUNT, TimeDelta::hours(2)).await;
        support::accept(&world, &body("online", ""), "key").await;
        support::settle(&world, 1).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let render = &support::renders(&world)[0];
    assert_eq!((made(render).0, render.served), (Step::Gemini, Route::Gemini));
    assert_eq!(created(&world), 0);
    support::check_calm(&world);
}
