//! Something is away for longer than anybody likes.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tryon_core::{
    chain::Step,
    memory::{Call, Mishap, Rates},
    money::Micros,
    ports::QueueName,
    render::RenderStatus,
    routing::Percent,
    settings::Settings,
};
use tryon_local::world::World;
use tryon_sandbox::{CallKind, Fault, Nth, Rule, SandboxConfig, When};

use crate::support::{self, body};

const DAY: u64 = 86_400;
/// All that is asked of the database.
pub(crate) const DATABASE: [Call; 10] = [
    Call::RenderInsert,
    Call::RenderGet,
    Call::RenderList,
    Call::RenderUpdate,
    Call::RenderDue,
    Call::BatchAppend,
    Call::BatchGet,
    Call::BatchCount,
    Call::BatchUpdate,
    Call::BatchDue,
];

async fn wait(world: &World, seconds: u64) {
    world.clock.sleep(Duration::from_secs(seconds)).await;
}

/// Accepts so many batch renders and lets the time pass.
async fn for_days(world: &World, renders: usize, days: u64) {
    let script = async {
        for number in 0..renders {
            support::accept(world, &body("batch", ""), &format!("key-{number}")).await;
        }
        wait(world, days * DAY).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn results_that_never_come_whole_are_settled_with_what_came() {
    let cut = When::kind(CallKind::Download);
    let rules = vec![Rule::new(cut, Fault::CutDownload { after_rows: 2 })];
    let world = support::world(1, support::settings(), rules).await;
    for_days(&world, 5, 5).await;
    assert_eq!(support::balance(&world).reserved, Micros::ZERO);
    let downloads = world.sandbox.calls()[&CallKind::Download];
    assert!(downloads < 49 * 60 * 2, "{downloads} downloads");
}

#[tokio::test(start_paused = true)]
async fn a_lost_create_is_held_even_where_jobs_cannot_be_listed() {
    let rules = vec![
        Rule::new(When::kind(CallKind::Create).nth(Nth::First(1)), Fault::LoseAnswer),
        Rule::new(When::kind(CallKind::List), Fault::status(403)),
    ];
    // Now and then somebody looks whether Google can be reached, with renders or without.
    let idle = support::world(1, support::settings(), rules.clone()).await;
    for_days(&idle, 0, 1).await;
    let world = support::world(1, support::settings(), rules).await;
    for_days(&world, 1, 1).await;
    let balance = support::balance(&world);
    assert_eq!(balance.reserved, Micros::ZERO);
    assert!(balance.held > Micros::ZERO);
    let [checks, all] = [idle, world].map(|world| world.sandbox.calls()[&CallKind::List]);
    let listings = all - checks;
    assert!((1..50).contains(&listings), "{listings} listings in a day");
}

/// The job is listed minutes late, behind pages of others whose names begin or end like its own.
#[tokio::test(start_paused = true)]
async fn a_lost_create_is_found_among_its_like_and_adopted_once() {
    let lost = Rule::new(When::kind(CallKind::Create), Fault::LoseAnswer);
    let crowd = Rule::new(When::kind(CallKind::List), Fault::LookAlikes { jobs: 170 });
    let sandbox = SandboxConfig {
        list_lag: Duration::from_secs(400),
        ..support::quick(1, vec![lost, crowd])
    };
    let settings = Settings { max_batch_size: 2, ..support::settings() };
    let world = support::world_with(1, settings, sandbox, &Step::ALL).await;
    let renders = support::play(&world, &vec![body("batch", ""); 6]).await;
    assert_eq!(support::succeeded(&renders), 6);
    assert!(renders.iter().all(|r| r.step == Step::Gemini && r.n == 1 && r.granted.is_none()));
    let calls = world.sandbox.calls();
    assert_eq!((calls[&CallKind::Create], world.sandbox.bill().charges.len()), (3, 6));
    // The first looks find nothing; the list has 3 jobs and their like, on six pages.
    assert!(calls[&CallKind::List] > 18, "{calls:?}");
    let jobs = world.attempts.attempts().into_iter().filter(|attempt| attempt.ended_at().is_some());
    assert_eq!(jobs.count(), 3);
    assert_eq!(support::balance(&world).held, Micros::ZERO);
    support::check_calm(&world);
}

/// Writes that meet another's transaction leave their row as it was: no reason to forget an answer.
#[tokio::test(start_paused = true)]
async fn an_answer_whose_write_meets_a_conflict_is_written_all_the_same() {
    let world = support::world(1, support::settings(), vec![]).await;
    let conflicts = Rates { conflict: 2_000, ..Rates::default() };
    world.chaos.set_rates_of(Call::AttemptWrite, conflicts);
    let renders = support::play(&world, &vec![body("online", ""); 60]).await;
    // A claim may meet so many that its render has no more time: nothing is bought for it.
    let done = support::succeeded(&renders);
    assert!(done >= 58, "{done} with a picture");
    assert_eq!(world.sandbox.bill().charges.len(), done);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_picture_store_that_is_away_for_a_while_costs_no_second_purchase() {
    for lane in ["online", "batch"] {
        let world = support::world(1, support::settings(), Vec::new()).await;
        for nth in 1..=8 {
            world.chaos.fail_nth(Call::ObjectPut, nth, Mishap::Throttled);
        }
        let renders = support::play(&world, &[body(lane, "")]).await;
        assert_eq!(support::succeeded(&renders), 1, "{lane}");
        assert_eq!(world.sandbox.bill().charges.len(), 1, "{lane}");
        support::check_calm(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn news_that_met_a_database_outage_are_asked_for_again() {
    let world = support::world(1, support::settings(), Vec::new()).await;
    let script = async {
        support::accept(&world, &body("batch", ""), "key").await;
        wait(&world, 120).await;
        let away = Rates { throttled: 10_000, ..Rates::default() };
        world.chaos.set_rates_of(Call::RenderUpdate, away);
        wait(&world, 1_800).await;
        world.chaos.calm();
        support::settle(&world, 1).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let render = &support::renders(&world)[0];
    assert!(matches!(render.status, RenderStatus::Succeeded { .. }), "{:?}", render.status);
}

#[tokio::test(start_paused = true)]
async fn results_wait_for_a_database_that_is_away_for_ten_minutes() {
    let legacy = Settings { traffic_percent: Percent::ZERO, ..support::settings() };
    for (settings, lane) in
        [(support::settings(), "online"), (support::settings(), "batch"), (legacy, "online")]
    {
        let world = support::whole_world(1, settings, Vec::new()).await;
        let script = async {
            let mut wish = body(lane, "");
            wish["give_up_seconds"] = json!(DAY);
            support::accept(&world, &wish, "key").await;
            // The provider is asked, or is about to be.
            wait(&world, 5).await;
            for call in DATABASE {
                world.chaos.set_rates_of(call, Rates { throttled: 10_000, ..Rates::default() });
            }
            wait(&world, 600).await;
            world.chaos.calm();
            support::settle(&world, 1).await;
            Ok(())
        };
        let away_until = world.clock.now() + TimeDelta::seconds(605);
        world.serve_until(script).await.unwrap();
        let render = &support::renders(&world)[0];
        let RenderStatus::Succeeded { at, .. } = render.status else { panic!("{render:#?}") };
        assert!(at - away_until < TimeDelta::minutes(6), "{lane}: {}", at - away_until);
        assert_eq!(world.sandbox.bill().charges.len(), 1, "{lane}");
        support::check(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_never_made_is_not_asked_after_for_ever() {
    let world = support::world(1, support::settings(), Vec::new()).await;
    let script = async {
        world.chaos.fail_nth(Call::QueueSend, 1, Mishap::Throttled);
        world.accept(&body("online", ""), "key").await.unwrap_err();
        let mut row = support::renders(&world).remove(0);
        row.entry = "entry-of-last-year".into();
        let written = tryon_core::ports::Renders::update(world.database.as_ref(), &[row]).await;
        assert_eq!(written, Ok(vec![true]));
        wait(&world, 10 * DAY).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    assert_eq!(world.queues.dlq(QueueName::ImagenJobs), []);
    assert!(support::renders(&world)[0].open_attempts.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_asked_for_leaves_one_last_try() {
    let busy = When::kind(CallKind::Online).between(Duration::ZERO, Duration::from_secs(30));
    let asked = Fault::Status { code: 429, retry_after_seconds: Some(700) };
    let world = support::world(1, support::settings(), vec![Rule::new(busy, asked)]).await;
    let renders = support::play(&world, &[body("online", "")]).await;
    assert_eq!(support::succeeded(&renders), 1);
    assert_eq!(world.sandbox.calls()[&CallKind::Online], 2);
    support::check_calm(&world);
}
