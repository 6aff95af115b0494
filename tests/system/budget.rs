//! The day's money, through the whole system.

use tryon_core::{
    chain::Step,
    money::Micros,
    render::FailureCode,
    routing::{Percent, Route},
    settings::{Settings, WhenBudgetExhausted},
};
use tryon_local::world::Refused;
use tryon_sandbox::{CallKind, Fault, Rule, When};

use crate::{
    chain::{legacy, made, one, replicate},
    support::{self, body},
};

fn with_budget(micros: u64) -> Settings {
    Settings { daily_budget: Micros::new(micros), ..support::settings() }
}

#[tokio::test(start_paused = true)]
async fn the_cap_is_never_passed_and_what_does_not_fit_ends() {
    // Room for a handful of online renders at their maximum price.
    let world = support::world(1, with_budget(400_000), Vec::new()).await;
    let renders = support::play(&world, &vec![body("online", ""); 20]).await;
    let done = support::succeeded(&renders);
    assert!(done > 0, "nothing was bought");
    assert_eq!(support::failed(&renders, FailureCode::BudgetExhausted), 20 - done);
    assert!(support::balance(&world).committed() <= Micros::new(360_000));
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_does_not_fit_yet_waits_for_running_ones_to_settle() {
    let mut settings = with_budget(0);
    settings.max_batch_size = 2;
    // Two batches at their maximum do not fit at once; one settled and one reserved do.
    settings.daily_budget = Micros::new(150_000);
    let world = support::world(1, settings, Vec::new()).await;
    let renders = support::play(&world, &vec![body("batch", ""); 4]).await;
    assert_eq!(support::succeeded(&renders), 4);
    let waited = world.attempts.attempts().iter().map(|attempt| attempt.waits).max();
    assert!(waited > Some(0), "nobody had to wait");
    assert!(support::balance(&world).committed() <= Micros::new(135_000));
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_raised_budget_closes_the_breaker_at_once() {
    let world = support::world(1, with_budget(1_000), Vec::new()).await;
    let script = async {
        let refused = world.accept(&body("online", ""), "before").await.unwrap_err();
        assert_eq!(refused.downcast_ref::<Refused>().unwrap().status, 429);
        world.settings.set("daily-budget-usd", "200").unwrap();
        support::accept(&world, &body("online", ""), "after").await;
        support::settle(&world, 1).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    assert_eq!(support::succeeded(&support::renders(&world)), 1);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_refuses_us_costs_nothing() {
    let rules = vec![Rule::new(When::kind(CallKind::Online), Fault::status(403))];
    let world = support::world(1, support::settings(), rules).await;
    let renders = support::play(&world, &[body("online", "")]).await;
    assert_eq!(support::failed(&renders, FailureCode::ProviderUnavailable), 1);
    assert_eq!(support::balance(&world).committed(), Micros::ZERO);
    support::check_calm(&world);
}

fn spent(when_budget_exhausted: WhenBudgetExhausted) -> Settings {
    Settings { daily_budget: Micros::new(1_000), when_budget_exhausted, ..support::settings() }
}

#[tokio::test(start_paused = true)]
async fn a_day_without_google_money_goes_where_the_shop_wants() {
    let (_, render) = one(spent(WhenBudgetExhausted::Fallback), vec![]).await;
    assert_eq!(made(&render).0, Step::PhotoMaker);
    assert_eq!((render.assigned, render.served), (Route::Gemini, Route::Gemini));
    assert!(render.course.as_ref().unwrap().unasked, "for the gates");
    let (_, render) = one(spent(WhenBudgetExhausted::Legacy), vec![]).await;
    assert_eq!(made(&render).0, Step::NanoBanana);
    assert_eq!((render.assigned, render.served), (Route::Gemini, Route::Legacy));
    assert!(render.course.as_ref().unwrap().unasked);
    let world = support::whole_world(1, spent(WhenBudgetExhausted::Reject), vec![]).await;
    let refused = world.accept(&body("online", ""), "key").await.unwrap_err();
    assert_eq!(refused.downcast_ref::<Refused>().unwrap().status, 429);
    assert!(support::renders(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn money_that_runs_out_behind_the_edge_is_told() {
    // Room for one at the edge; two are accepted before either reserves.
    let tight = |when| Settings { daily_budget: Micros::new(80_000), ..spent(when) };
    for (when, expected) in [
        (WhenBudgetExhausted::Reject, None),
        (WhenBudgetExhausted::Legacy, Some(Step::NanoBanana)),
        (WhenBudgetExhausted::Fallback, Some(Step::PhotoMaker)),
    ] {
        let world = support::whole_world(1, tight(when), vec![]).await;
        let renders = support::play(&world, &[body("online", ""), body("online", "")]).await;
        let other = renders.iter().find(|render| render.step != Step::Gemini);
        match expected {
            Some(step) => assert_eq!(made(other.unwrap()).0, step),
            None => assert_eq!(support::failed(&renders, FailureCode::BudgetExhausted), 1),
        }
        support::check_calm(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn both_caps_reached_is_refused_at_the_edge() {
    let settings = Settings {
        replicate_daily_budget: Micros::new(1_000),
        ..spent(WhenBudgetExhausted::Fallback)
    };
    let world = support::whole_world(1, settings, vec![]).await;
    for percent in [Percent::FULL, Percent::ZERO] {
        world.settings.set("traffic-percent", &percent.to_string()).unwrap();
        let refused = world.accept(&body("online", ""), "key").await.unwrap_err();
        assert_eq!(refused.downcast_ref::<Refused>().unwrap().status, 429);
    }
    assert_eq!(world.sandbox.calls().len(), 0, "{:?}", world.sandbox.calls());
}

#[tokio::test(start_paused = true)]
async fn the_replicate_cap_holds_whatever_runs_at_once() {
    let settings = Settings { replicate_daily_budget: Micros::new(1_000_000), ..legacy() };
    let world = support::whole_world(1, settings, vec![]).await;
    // $0.90 buy six at $0.15.
    let renders = support::play(&world, &vec![body("online", ""); 12]).await;
    let banana =
        renders.iter().filter(|r| r.costs.keys().any(|a| a.step() == Some(Step::NanoBanana)));
    assert!(banana.count() <= 6);
    assert!(replicate(&world).committed() <= Micros::new(900_000));
    support::check_calm(&world);
}
