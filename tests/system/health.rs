//! Google is down, busy, or does not serve us: what the breaker does, through the whole system.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tryon_core::{
    attempt::{AttemptState, NeverBought},
    catalogue::Backend,
    chain::Step,
    memory::{Call, Rates},
    money::Micros,
    ports::ProviderHealth,
    render::{Render, RenderStatus},
    routing::Route,
    vitals::{Breaker, Gate, Vitals},
};
use tryon_local::world::World;
use tryon_sandbox::{CallKind, Fault, Nth, Rule, When};

use crate::support::{self, body};

pub(crate) const ONLINE: Backend = Backend::GeminiOnline;

fn seconds(from: u64, to: u64) -> When {
    When::kind(CallKind::Online).between(Duration::from_secs(from), Duration::from_secs(to))
}

pub(crate) fn online_calls(world: &World) -> u64 {
    world.sandbox.calls().get(&CallKind::Online).copied().unwrap_or_default()
}

pub(crate) async fn gate(world: &World, backend: Backend) -> Gate {
    let now = world.clock.now();
    world.health.read(backend.into(), now).await.unwrap().gate(now)
}

/// Opens the breaker of `backend` for so long.
pub(crate) async fn open(world: &World, backend: Backend, time: TimeDelta) {
    let since = world.clock.now();
    let vitals = world.health.read(backend.into(), since).await.unwrap();
    let breaker = Breaker::Open { since, until: since + time, times: 1 };
    assert_eq!(world.health.change(backend, &Vitals { breaker, ..vitals }).await, Ok(true));
}

/// An online render each `every` seconds, so many in all.
async fn arrivals(world: &World, count: usize, every: u64) {
    for number in 0..count {
        support::accept(world, &body("online", ""), &format!("key-{number}")).await;
        world.clock.sleep(Duration::from_secs(every)).await;
    }
}

async fn play(world: &World, count: usize, every: u64) -> Vec<Render> {
    let script = async {
        arrivals(world, count, every).await;
        support::settle(world, count).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    support::renders(world)
}

#[tokio::test(start_paused = true)]
async fn while_google_is_down_renders_go_to_the_legacy_route_and_come_back_by_themselves() {
    // Ten minutes of 500: of each call nobody knows whether it bought anything.
    let down = Rule::new(seconds(0, 600), Fault::status(500));
    let world = support::whole_world(1, support::settings(), vec![down]).await;
    let renders = play(&world, 300, 5).await;
    assert_eq!(support::succeeded(&renders), 300);
    // At once when it is seen: a handful of calls, then one try after 60, 120, 240 and 480 s.
    let early = renders.iter().take_while(|r| r.served == Route::Gemini).count();
    assert!((5..=20).contains(&early), "{early} before it opened");
    let tried = renders.iter().filter(|r| r.served == Route::Gemini && r.google_failed).count();
    assert!(tried <= early + 4, "{tried} renders met a Google that was down");
    let last = renders.iter().rev().take_while(|r| r.served == Route::Gemini).count();
    assert!(last > 50, "only {last} came back");
    let diverted = support::diverted(&renders);
    assert!(diverted > 150, "only {diverted} were diverted");
    let unasked = renders.iter().filter(|r| r.course.as_ref().is_some_and(|c| c.unasked));
    assert!(unasked.count() >= diverted, "they are not held against Google");
    assert_eq!(gate(&world, ONLINE).await, Gate::Closed);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn only_one_render_at_a_time_tries() {
    let world = support::whole_world(1, support::settings(), vec![]).await;
    let script = async {
        open(&world, ONLINE, TimeDelta::seconds(60)).await;
        world.clock.sleep(Duration::from_secs(60)).await;
        // Many at once, while it is half-open.
        for number in 0..20 {
            support::accept(&world, &body("online", ""), &format!("key-{number}")).await;
        }
        world.clock.sleep(Duration::from_secs(1)).await;
        assert!(matches!(gate(&world, ONLINE).await, Gate::Probing { .. }));
        world.clock.sleep(Duration::from_secs(30)).await;
        assert_eq!(gate(&world, ONLINE).await, Gate::Closed);
        support::accept(&world, &body("online", ""), "after").await;
        support::settle(&world, 21).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let renders = support::renders(&world);
    assert_eq!(support::diverted(&renders), 19);
    assert_eq!(online_calls(&world), 2, "the one that tried, and the one after");
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_refused_is_asked_once() {
    for fault in [Fault::status(403), Fault::status(401), Fault::finish("ESCALATION")] {
        let refused = Rule::new(When::kind(CallKind::Online), fault.clone());
        let world = support::whole_world(1, support::settings(), vec![refused]).await;
        let renders = play(&world, 10, 30).await;
        assert_eq!(support::succeeded(&renders), 10);
        // The first, and one try after 60 and 120 s; at 401 each is made twice, with a fresh token.
        assert!(online_calls(&world) <= 6, "{fault:?}: {} calls", online_calls(&world));
        assert!(support::diverted(&renders) >= 6, "{fault:?}");
        support::check_calm(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_empty_answers_and_bad_input_open_nothing() {
    for fault in [Fault::refused(), Fault::finish("NO_IMAGE"), Fault::status(400)] {
        let rule = Rule::new(When::kind(CallKind::Online), fault);
        let world = support::whole_world(1, support::settings(), vec![rule]).await;
        let renders = play(&world, 30, 5).await;
        assert_eq!((support::diverted(&renders), gate(&world, ONLINE).await), (0, Gate::Closed));
        support::check_calm(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_render_that_is_on_its_way_goes_on_at_once_and_buys_nothing() {
    let world = support::whole_world(1, support::settings(), vec![]).await;
    let script = async {
        // The router looks, and finds nothing amiss; for two seconds it need not look again.
        let mut lost = body("online", "");
        lost["person"]["photo"] = json!("in/nobody.jpg");
        world.accept(&lost, "lost").await.unwrap_err();
        open(&world, ONLINE, TimeDelta::minutes(30)).await;
        // Nano Banana sees the garment: it is for those, too, who want no picture by words alone.
        let mut exact = body("online", "");
        exact["accept_described"] = json!(false);
        support::accept(&world, &exact, "key").await;
        support::settle(&world, 1).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let online = support::renders(&world).remove(0);
    assert_eq!((online.assigned, online.served), (Route::Gemini, Route::Legacy));
    assert_eq!(online.step, Step::NanoBanana);
    assert!(!online.google_failed, "Google was not asked");
    let took = online.status.ended_at().unwrap() - online.accepted_at;
    assert!(took < TimeDelta::seconds(60), "{took}");
    let barred = world.attempts.attempts().into_iter().filter(|attempt| {
        matches!(attempt.state, AttemptState::NeverBought { why: NeverBought::Diverted, .. })
    });
    assert_eq!((barred.count(), online_calls(&world)), (1, 0));
    assert_eq!(world.sandbox.calls().get(&CallKind::Token), None, "nothing is made ready");
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_batch_on_its_way_waits_and_tries_itself() {
    let world = support::whole_world(1, support::settings(), vec![]).await;
    let script = async {
        support::accept(&world, &body("batch", ""), "before").await;
        open(&world, Backend::GeminiBatch, TimeDelta::seconds(300)).await;
        world.clock.sleep(Duration::from_secs(290)).await;
        assert_eq!(world.sandbox.calls().get(&CallKind::Create), None);
        support::settle(&world, 1).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let render = &support::renders(&world)[0];
    assert_eq!((render.served, render.step), (Route::Gemini, Step::Gemini));
    assert_eq!(world.sandbox.bill().charges.len(), 1);
    assert_eq!(gate(&world, Backend::GeminiBatch).await, Gate::Closed);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn who_has_nowhere_else_to_go_waits_at_the_door() {
    let world = support::world(1, support::settings(), vec![]).await;
    let script = async {
        open(&world, ONLINE, TimeDelta::seconds(120)).await;
        support::accept(&world, &body("online", ""), "key").await;
        support::settle(&world, 1).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let render = &support::renders(&world)[0];
    assert!(matches!(render.status, RenderStatus::Succeeded { .. }), "{:?}", render.status);
    assert_eq!(render.served, Route::Gemini);
    support::check_calm(&world);
}

/// Barred to the end, Google was not asked: the legacy provider may still be.
#[tokio::test(start_paused = true)]
async fn a_batch_that_is_barred_to_its_deadline_goes_to_the_legacy_route() {
    let world = support::whole_world(1, support::settings(), vec![]).await;
    let mut patient = body("batch", "");
    patient["deadline_seconds"] = json!(1_800);
    let script = async {
        open(&world, Backend::GeminiBatch, TimeDelta::hours(2)).await;
        open(&world, ONLINE, TimeDelta::hours(2)).await;
        // Not by the router, which knows.
        let away = Rates { throttled: 10_000, ..Rates::default() };
        world.chaos.set_rates_of(Call::HealthRead, away);
        support::accept(&world, &patient, "key").await;
        world.chaos.set_rates_of(Call::HealthRead, Rates::default());
        support::settle(&world, 1).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let render = &support::renders(&world)[0];
    assert!(matches!(render.status, RenderStatus::Succeeded { .. }), "{:?}", render.status);
    assert_eq!((render.served, render.step), (Route::Legacy, Step::NanoBanana));
    assert!(!render.google_failed && world.sandbox.bill().charges.len() == 1);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_health_store_that_is_away_fails_no_render() {
    let world = support::whole_world(1, support::settings(), vec![]).await;
    let away = Rates { throttled: 10_000, ..Rates::default() };
    for call in [Call::HealthRead, Call::HealthRecord, Call::HealthChange] {
        world.chaos.set_rates_of(call, away);
    }
    let bodies = ["online", "batch", "online"].map(|lane| body(lane, ""));
    let renders = support::play(&world, &bodies).await;
    assert_eq!((support::succeeded(&renders), support::diverted(&renders)), (3, 0));
    support::check_calm(&world);
}

/// Google answers nothing but 429 for five minutes while a render arrives each second.
#[tokio::test(start_paused = true)]
async fn a_storm_of_429_slows_everybody_down_and_is_not_made_worse() {
    let busy = Fault::Status { code: 429, retry_after_seconds: Some(2) };
    let storm = Rule::new(seconds(60, 360), busy);
    let world = support::whole_world(1, support::settings(), vec![storm]).await;
    let script = async {
        let arrive = arrivals(&world, 720, 1);
        let watch = async {
            let mut calls = Vec::new();
            for _ in 0..12 {
                world.clock.sleep(Duration::from_secs(60)).await;
                calls.push(online_calls(&world));
            }
            calls
        };
        let ((), calls) = tokio::join!(arrive, watch);
        support::settle(&world, 720).await;
        Ok(calls)
    };
    let calls = world.serve_until(script).await.unwrap();
    let renders = support::renders(&world);
    assert_eq!(support::succeeded(&renders), 720);
    let by_minute: Vec<u64> =
        std::iter::once(calls[0]).chain(calls.windows(2).map(|two| two[1] - two[0])).collect();
    println!("calls to Google by the minute: {by_minute:?}");
    // As many as before for a moment, then few, then as many as ever.
    let worst = by_minute[2..6].iter().max().unwrap();
    assert!(worst * 3 < by_minute[0], "{by_minute:?}");
    assert!(by_minute[11] * 2 > by_minute[0], "{by_minute:?}");
    // Nothing was bought twice.
    let bill = world.sandbox.bill();
    let mut attempts: Vec<_> = bill.charges.iter().map(|charge| &charge.attempt).collect();
    attempts.sort();
    attempts.dedup();
    assert_eq!(attempts.len(), bill.charges.len());
    assert_eq!(support::balance(&world).held, Micros::ZERO);
    support::check_calm(&world);
}

/// Without a chain to go on along: every render waits for Google, at a bounded number of calls.
#[tokio::test(start_paused = true)]
async fn calls_that_are_throttled_now_and_then_are_repeated_within_a_budget() {
    let busy = When::kind(CallKind::Online).probability(0.15);
    let world =
        support::world(1, support::settings(), vec![Rule::new(busy, Fault::status(503))]).await;
    let renders = play(&world, 300, 2).await;
    assert_eq!(support::succeeded(&renders), 300);
    let calls = online_calls(&world);
    println!("{calls} calls for 300 renders");
    assert!(calls <= 300 + 10 + 60, "{calls} calls for 300 renders");
    assert_eq!(gate(&world, ONLINE).await, Gate::Closed);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_meets_429_waits_by_tick_and_is_created_once() {
    let busy = When::kind(CallKind::Create).nth(Nth::First(8));
    let world =
        support::world(1, support::settings(), vec![Rule::new(busy, Fault::status(429))]).await;
    let renders = support::play(&world, &[body("batch", ""), body("batch", "")]).await;
    assert_eq!(support::succeeded(&renders), 2);
    assert_eq!(world.sandbox.calls()[&CallKind::Create], 9);
    assert_eq!(world.sandbox.bill().charges.len(), 2);
    support::check_calm(&world);
}
