//! The day's money, through the whole system.

use tryon_core::{money::Micros, render::FailureCode, settings::Settings};
use tryon_local::world::Refused;
use tryon_sandbox::{CallKind, Fault, Rule, When};

use crate::support::{self, body};

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
