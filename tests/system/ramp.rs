//! The ramp through the whole system: real handlers, days of virtual time.

mod shop;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tryon_core::{
    audit::Act,
    gates::{Gate, Mode, Move, Phase, Verdict, Why},
    memory::Published,
    ports::Knobs,
    routing::Percent,
};
use tryon_sandbox::{Fault, Provider, Rule, When};

use self::shop::{DAY, Shop, percent, verdict};
use crate::support;

const HOUR: Duration = Duration::from_secs(3_600);
const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// The rollout's events, without repeats.
fn told(events: &mut UnboundedReceiver<Published>) -> Vec<(String, String)> {
    let mut told = Vec::new();
    while let Ok(published) = events.try_recv() {
        let detail: Value = serde_json::from_str(&published.event.detail).unwrap();
        let id = detail["id"].as_str().unwrap_or_default().to_owned();
        let named = (published.event.detail_type.to_owned(), id);
        if published.event.source == "rollout" && !told.contains(&named) {
            told.push(named);
        }
    }
    told
}

#[tokio::test(start_paused = true)]
async fn a_healthy_provider_goes_all_the_way() {
    let shop = Shop::new(("100", "0"), Mode::Automatic, HOUR, Vec::new()).await;
    let mut events = shop.world.bus.subscribe();
    shop.hours(DAY, 0).await;
    assert_eq!(shop.status().decision, Move::Hold { why: Why::Off }, "nobody began");

    // Ops begin; from there it goes by itself.
    let mut since = vec![shop.world.clock.now()];
    shop.record(Act::CeilingSet { from: percent("0"), to: percent("10") }).await;
    shop.world.settings.turn("traffic-ceiling", "10").await.unwrap();
    for (phase, eager, least, most) in [(Phase::Ten, 7, 3, 6), (Phase::Fifty, 2, 7, 10)] {
        let begun = shop.acts().await.last().unwrap().at;
        while shop.in_force().await == phase.percent() {
            let days = (shop.world.clock.now() - begun).num_days();
            assert!(days <= most, "{phase:?} after {days} days: {:#?}", shop.status());
            shop.hours(DAY / 2, eager).await;
        }
        let raised = shop.acts().await.last().unwrap().clone();
        assert!(raised.at - begun >= TimeDelta::days(least), "{phase:?} was left too early");
        assert!(raised.evidence["images"].as_u64() >= Some(phase.least().images), "{raised:?}");
        since.push(raised.at);
    }
    assert_eq!(shop.in_force().await, Percent::FULL);
    shop.hours(DAY, 1).await;
    let status = shop.status();
    assert_eq!((status.good, status.rolled_back), (Phase::Fifty, false));
    assert!(status.images > 100 && matches!(status.decision, Move::Hold { .. }), "{status:#?}");

    let kinds: Vec<&str> = shop.acts().await.iter().map(|entry| entry.act.kind()).collect();
    assert_eq!(kinds, ["ceiling_set", "raised", "raised"]);
    let names: Vec<String> = told(&mut events).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["rollout.raised", "rollout.raised"]);
    // Whoever was in stays in.
    let [ten, fifty, full] = [0, 1, 2].map(|phase| {
        // A moment after the change, when all go by it.
        shop.on_gemini(since[phase] + TimeDelta::seconds(2)..later(&since, phase))
    });
    assert!(ten.is_subset(&fifty) && fifty.is_subset(&full), "somebody was thrown out");
    assert_eq!(full.len(), shop.users.len());
    support::settle(&shop.world, shop.rows().len()).await;
}

/// When the phase ended.
fn later(since: &[DateTime<Utc>], phase: usize) -> DateTime<Utc> {
    since.get(phase + 1).copied().unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// At 50 % since a day, after a good 10 %.
async fn at_fifty(every: Duration, bad: Vec<Rule>) -> (Shop, DateTime<Utc>) {
    let shop = Shop::new(("50", "100"), Mode::Manual, every, bad).await;
    shop.record(Act::Ready { next: Phase::Fifty }).await;
    let begun = shop.world.clock.now();
    shop.hours(DAY, 1).await;
    assert_eq!(shop.in_force().await, percent("50"), "{:#?}", shop.status());
    (shop, begun)
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_turns_bad_is_left_within_one_look_and_the_same_users_come_back() {
    // From the second day on, three of ten pictures do not come.
    let (from, to) = (24 * HOUR, 48 * HOUR);
    let fault = When::provider(Provider::Google).between(from, to).probability(0.3);
    let bad = Rule::new(fault, Fault::finish("NO_IMAGE"));
    let (shop, begun) = at_fifty(FIVE_MINUTES, vec![bad]).await;
    let before = shop.on_gemini(begun..DateTime::<Utc>::MAX_UTC);
    let mut events = shop.world.bus.subscribe();
    let since = shop.status().since + TimeDelta::seconds(60);

    // A moment before each look the gates are asked: what they say then, the look acts on.
    let watch = async {
        loop {
            let now = shop.world.clock.now().timestamp();
            let next = u64::try_from(300 - now.rem_euclid(300)).unwrap();
            shop.world.clock.sleep(Duration::from_millis(next * 1_000 - 1)).await;
            let fails = verdict(&shop.judge(since).await, Gate::Failures) == Verdict::Fail;
            shop.world.clock.sleep(Duration::from_secs(2)).await;
            let in_force = shop.in_force().await;
            let expected = if fails { "10" } else { "50" };
            assert_eq!(in_force, percent(expected), "{:#?}", shop.status());
            if fails {
                return;
            }
        }
    };
    let trade = shop.hours(DAY, 3);
    let both = futures_util::future::select(Box::pin(trade), Box::pin(watch));
    let futures_util::future::Either::Right(((), trade)) = both.await else {
        panic!("it was not found out within a day: {:#?}", shop.status());
    };
    drop(trade);
    let back = shop.acts().await.last().unwrap().clone();
    let (from, to) = (percent("50"), percent("10"));
    assert_eq!(back.act, Act::RolledBack { from, to, because: Gate::Failures });
    assert!(back.evidence["gates"].is_array() && back.reason.starts_with("rolled back to 10 %"));
    let status = shop.status();
    assert!(status.rolled_back && status.in_force == to, "{status:#?}");
    assert_eq!(told(&mut events).len(), 1);

    // It does not go up again by itself, whatever it sees, nor by hand without a word.
    shop.world.settings.turn("traffic-ceiling", "50").await.unwrap();
    support::wait(&shop.world, 2 * FIVE_MINUTES).await;
    assert_eq!(shop.in_force().await, to, "what a roll-back took, only an entry gives back");

    // Ops let it go again, with a reason: the same users, and new evidence.
    support::wait(&shop.world, 24 * HOUR).await;
    shop.record(Act::CeilingSet { from: to, to: from }).await;
    shop.world.settings.turn("traffic-ceiling", "50").await.unwrap();
    let again = shop.world.clock.now();
    shop.hours(DAY, 1).await;
    let status = shop.status();
    assert!(!status.rolled_back && status.in_force == from, "{status:#?}");
    assert!(status.since >= again, "what was seen before counts for nothing");
    let after = shop.on_gemini(again..DateTime::<Utc>::MAX_UTC);
    assert_eq!(after, before, "the same users are in");
}

#[tokio::test(start_paused = true)]
async fn nothing_seen_never_passes() {
    let shop = Shop::new(("10", "100"), Mode::Automatic, HOUR, Vec::new()).await;
    support::wait(&shop.world, 10 * 24 * HOUR).await;
    let status = shop.status();
    let why = Why::Gate { gate: Gate::Cost, verdict: Verdict::NoData };
    assert_eq!(status.decision, Move::Hold { why });
    for gate in [Gate::Cost, Gate::Latency, Gate::Failures, Gate::Quality] {
        let finding = status.findings.iter().find(|finding| finding.gate == gate).unwrap();
        assert_eq!(finding.figures.verdict, Verdict::NoData);
    }
    assert!(shop.acts().await.is_empty() && shop.in_force().await == percent("10"));
}

#[tokio::test(start_paused = true)]
async fn a_waiver_ends_and_a_broken_split_holds() {
    let mut shop = Shop::new(("10", "100"), Mode::Manual, HOUR, Vec::new()).await;
    // Nine of ten customers of the legacy route stay away.
    let gemini = |user: &String| {
        let bucket = tryon_core::routing::Bucket::of(tryon_local::cli::SALT, &user.as_str().into());
        bucket.is_below(percent("10"))
    };
    let (eager, others): (Vec<_>, Vec<_>) = shop.users.drain(..).partition(gemini);
    shop.users = eager.into_iter().chain(others.into_iter().step_by(9)).collect();
    shop.waive(Gate::Quality, 5 * 24).await;
    shop.hours(4 * DAY, 7).await;
    let status = shop.status();
    let why = Why::Split { verdict: Verdict::Fail };
    assert_eq!(status.decision, Move::Hold { why }, "{status:#?}");
    let quality = |status: &tryon_core::stages::RolloutReport| {
        let mut findings = status.findings.iter();
        findings.find(|finding| finding.gate == Gate::Quality).unwrap().clone()
    };
    assert!(quality(&status).waived.is_some() && quality(&status).figures.verdict != Verdict::Pass);
    support::wait(&shop.world, 26 * HOUR).await;
    let status = shop.status();
    let verdict = quality(&status).figures.verdict;
    assert!(quality(&status).waived.is_none(), "its time is over");
    assert_eq!(status.decision, Move::Hold { why: Why::Gate { gate: Gate::Quality, verdict } });
    assert_eq!(shop.acts().await.len(), 1, "it was never ready");
}
