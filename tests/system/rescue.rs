//! Batch renders whose job is slow, near their deadline: through the whole system.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tryon_core::{
    attempt::{AttemptState, NeverBought},
    lane::Lane,
    money::Micros,
    render::{Render, RenderStatus, Rescue},
};
use tryon_local::world::World;
use tryon_sandbox::{CallKind, Fault, JobTime, Nth, Rule, SandboxConfig, When};

use crate::support::{self, body};

/// What a render can wait for, in seconds.
const DEADLINE: u64 = 7_200;
/// When a rescue begins, by the default lead.
const RESCUE: u64 = DEADLINE - 300;

fn slow(job: u64, rules: Vec<Rule>) -> SandboxConfig {
    let job_time = JobTime::Fixed(Duration::from_secs(job));
    SandboxConfig { job_time, ..support::quick(1, rules) }
}

async fn world(job: u64, rules: Vec<Rule>) -> World {
    support::world_with(1, support::settings(), slow(job, rules), &tryon_core::chain::Step::ALL)
        .await
}

fn patient() -> Value {
    let mut body = body("batch", "");
    body["deadline_seconds"] = json!(DEADLINE);
    body
}

fn in_time(render: &Render) -> bool {
    render.status.ended_at().is_some_and(|at| at <= render.deadline_at)
}

/// Whether the picture is the rescue's.
fn by_rescue(render: &Render) -> bool {
    let attempt = render.rescue.as_ref().and_then(Rescue::attempt).unwrap();
    match &render.status {
        RenderStatus::Succeeded { picture, .. } => picture.key.contains(attempt.as_str()),
        _ => false,
    }
}

#[tokio::test(start_paused = true)]
async fn a_render_whose_job_is_slow_is_rescued_in_time_and_its_job_cancelled() {
    let world = world(6 * 3_600, vec![]).await;
    let renders = support::play(&world, &[patient(), patient()]).await;
    assert_eq!((support::succeeded(&renders), support::rescued(&renders)), (2, 2));
    assert!(renders.iter().all(|render| in_time(render) && by_rescue(render)));
    assert!(renders.iter().all(|render| render.lane == Lane::Batch));
    // The job is for both: cancelled once neither waits for it.
    assert!(world.sandbox.calls()[&CallKind::Cancel] >= 1);
    assert_eq!(world.sandbox.bill().charges.len(), 2, "the cancelled job cost nothing");
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_costs_what_it_had_done() {
    for results in [true, false] {
        let midway = Fault::CancelMidway { rows: 1, results };
        let midway = Rule::new(When::kind(CallKind::Create), midway);
        let world = world(6 * 3_600, vec![midway]).await;
        let renders = support::play(&world, &[patient(), patient()]).await;
        assert_eq!((support::succeeded(&renders), support::rescued(&renders)), (2, 2));
        assert!(renders.iter().all(by_rescue));
        let (bill, settled) = (world.sandbox.bill(), support::balance(&world).settled);
        assert_eq!(bill.charges.len(), 3, "two rescues, and the row that was done");
        if results {
            assert_eq!(settled, bill.total(), "its row says what it cost");
        } else {
            let attempts = world.attempts.attempts();
            let job = attempts.iter().find(|attempt| attempt.lane == Lane::Batch).unwrap();
            let rescues = bill.charges.iter().filter(|charge| charge.lane == Lane::Online);
            let rescues: Micros = rescues.map(tryon_sandbox::Charge::micros).sum();
            assert_eq!(settled, rescues + job.shares[0].maximum, "one row as reserved");
        }
        support::check_calm(&world);
    }
}

/// Its create was lost, and it is found only when its render has its picture.
#[tokio::test(start_paused = true)]
async fn a_job_that_is_found_when_nobody_waits_is_cancelled() {
    let lost = Rule::new(When::kind(CallKind::Create).nth(Nth::Only(1)), Fault::LoseAnswer);
    let late = Rule::new(When::kind(CallKind::List), Fault::LagList { seconds: 10_000 });
    let world = world(6 * 3_600, vec![lost, late]).await;
    let renders = support::play(&world, &[patient()]).await;
    support::wait(&world, Duration::from_secs(10 * 3_600)).await;
    assert!(in_time(&renders[0]) && by_rescue(&renders[0]));
    let jobs = world.attempts.attempts().into_iter().filter(|attempt| attempt.lane == Lane::Batch);
    assert_eq!(jobs.count(), 2, "one was found late, one took its place");
    assert_eq!(world.sandbox.bill().charges.len(), 1, "the rescue alone");
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn the_job_goes_on_while_one_render_still_waits_for_it() {
    let world = world(3 * 3_600, vec![]).await;
    let mut longer = patient();
    longer["deadline_seconds"] = json!(DEADLINE * 4);
    let renders = support::play(&world, &[patient(), longer]).await;
    assert_eq!((support::succeeded(&renders), support::rescued(&renders)), (2, 1));
    assert_eq!(world.sandbox.calls().get(&CallKind::Cancel), None);
    // The rescued one is paid twice, knowingly; both bills are in its row.
    assert_eq!(world.sandbox.bill().charges.len(), 3);
    let twice = renders.iter().find(|render| render.costs.len() == 2).unwrap();
    assert!(by_rescue(twice) && in_time(twice));
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_done_needs_no_rescue() {
    for job in [90, RESCUE - 300] {
        let world = world(job, vec![]).await;
        let renders = support::play(&world, &[patient()]).await;
        assert_eq!((support::succeeded(&renders), support::rescued(&renders)), (1, 0));
        assert_eq!(world.sandbox.calls().get(&CallKind::Online), None);
        support::check_calm(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn rescues_stop_where_their_budget_ends() {
    let world = support::world_with_rescues(1, slow(6 * 3_600, vec![]), 150_000).await;
    let renders = support::play(&world, &vec![patient(); 6]).await;
    assert_eq!(support::succeeded(&renders), 6);
    let delivered = renders.iter().filter(|render| by_rescue(render)).count();
    assert!((1..6).contains(&delivered), "{delivered} rescues for $0.15");
    let refused = world.attempts.attempts().into_iter().filter(|attempt| {
        matches!(attempt.state, AttemptState::NeverBought { why: NeverBought::Unfunded, .. })
    });
    assert_eq!(refused.count(), 6 - delivered);
    // The others had their picture from the batch, late.
    assert_eq!(renders.iter().filter(|render| in_time(render)).count(), delivered);
    let rescues: Micros = world.attempts.balances().values().map(|day| day.rescues).sum();
    assert!(rescues > Micros::ZERO && rescues <= Micros::new(150_000), "{rescues}");
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn the_first_of_two_pictures_wins_and_both_are_paid() {
    // Its cancellation fails, so the job brings its picture after the rescue did.
    let deaf = Rule::new(When::kind(CallKind::Cancel), Fault::status(500));
    let late = world(DEADLINE + 600, vec![deaf]).await;
    let renders = support::play(&late, &[patient()]).await;
    assert!(in_time(&renders[0]) && by_rescue(&renders[0]));
    assert_eq!((renders[0].costs.len(), late.sandbox.bill().charges.len()), (2, 2));
    support::check_calm(&late);

    // The job brings its picture while the rescue is being drawn.
    let slow_online = Rule::delay(When::kind(CallKind::Online), Duration::from_secs(95));
    let early = world(RESCUE + 30, vec![slow_online]).await;
    let renders = support::play(&early, &[patient()]).await;
    assert_eq!(support::rescued(&renders), 1);
    assert!(in_time(&renders[0]) && !by_rescue(&renders[0]), "{:?}", renders[0]);
    assert_eq!((renders[0].costs.len(), early.sandbox.bill().charges.len()), (2, 2));
    support::check_calm(&early);
}

#[tokio::test(start_paused = true)]
async fn a_rescue_that_fails_leaves_the_batch_to_deliver() {
    for fault in [Fault::status(500), Fault::LoseAnswer, Fault::finish("NO_IMAGE")] {
        let broken = Rule::new(When::kind(CallKind::Online), fault.clone());
        let world = world(DEADLINE + 600, vec![broken]).await;
        let renders = support::play(&world, &[patient()]).await;
        assert_eq!((support::succeeded(&renders), support::rescued(&renders)), (1, 1), "{fault:?}");
        assert!(!by_rescue(&renders[0]));
        assert_eq!(world.sandbox.calls()[&CallKind::Online], 1, "{fault:?}: one try, no more");
        support::check_calm(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_never_got_through_buys_nothing_once_its_renders_are_rescued() {
    let busy = Rule::new(When::kind(CallKind::Create), Fault::status(429));
    let world = world(90, vec![busy]).await;
    let renders = support::play(&world, &[patient()]).await;
    // Its fallback would be worse: the online call is there.
    assert!(in_time(&renders[0]) && by_rescue(&renders[0]), "{:?}", renders[0]);
    let bill = world.sandbox.bill();
    assert_eq!(bill.charges.len(), 1);
    let took = world.clock.now() - renders[0].accepted_at;
    assert!(took < TimeDelta::seconds(i64::try_from(DEADLINE).unwrap() + 600));
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn who_asked_for_a_batch_without_the_time_for_one_is_not_bought_for_twice() {
    let mut hasty = body("batch", "");
    hasty["deadline_seconds"] = json!(240);
    let world = world(3_600, vec![]).await;
    let renders = support::play(&world, &[hasty]).await;
    assert_eq!((support::succeeded(&renders), support::rescued(&renders)), (1, 0));
    assert_eq!(world.sandbox.bill().charges.len(), 1);
}
