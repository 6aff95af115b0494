//! Every alarm of the template over numbers from runs that have its fault, and over a healthy one.

mod alarm;
mod math;
mod runs;
mod tape;

use std::{collections::BTreeSet, sync::LazyLock};

use crate::labels;

pub(crate) use self::{
    alarm::Alarm,
    math::Math,
    tape::{Series, Tape},
};

/// Two hours of a shop where nothing is wrong.
pub(crate) static HEALTHY: LazyLock<Tape> =
    LazyLock::new(|| Tape::record(async |tape| runs::healthy(tape).await));

/// A run and the alarms that ring in it: these, and no others.
struct Fault {
    name: &'static str,
    run: fn() -> Tape,
    rings: &'static [&'static str],
}

macro_rules! faults {
    ($($run:ident: $rings:expr,)*) => {
        &[$(Fault {
            name: stringify!($run),
            run: || Tape::record(async |tape| runs::$run(tape).await),
            rings: &$rings,
        }),*]
    };
}

const FAULTS: &[Fault] = faults! {
    refused: ["authentication", "down-gemini-batch", "down-gemini-online"],
    lacking: ["google-missing"],
    denied: ["down-replicate"],
    misled: ["catalogue-refused"],
    failing: ["failures-gemini", "failures-legacy"],
    // The rollout is left out of it.
    slow: ["latency-batch", "latency-online", "latency-online-large", "rollout-silent"],
    spent: ["breaker-google", "breaker-replicate", "budget-75", "budget-90"],
    poisoned: [
        "accumulator-dead",
        "gemini-batch-dead",
        "imagen-jobs-dead",
        "imagen-online-dead",
        "replicate-dead",
    ],
    halted: [
        "accumulator-age",
        "gemini-batch-age",
        "imagen-jobs-age",
        "imagen-online-age",
        "reconciler-silent",
        "replicate-age",
        "rollout-silent",
    ],
    without_database: ["api-errors", "reconciler-errors"],
    crashing: [
        "accumulator-errors",
        "distributor-errors",
        "imagen-errors",
        "replicate-errors",
        "rollout-errors",
        "router-errors",
    ],
    outside: ["router-throttled", "undelivered-events"],
    retiring: ["model-gone", "model-retires"],
    dear: ["bill-above-reservation", "price-drift-batch", "price-drift-online"],
    paid_twice: ["duplicate-images"],
    stuck: ["batches-stuck", "imagen-jobs-age", "imagen-jobs-dead"],
    overnight: ["jobs-stuck"],
};

/// The alarms that ring over a tape.
fn ringing(alarms: &[Alarm], tape: &Tape) -> BTreeSet<String> {
    let ringing = alarms.iter().filter(|alarm| alarm.rings(tape).is_some());
    ringing.map(|alarm| alarm.name.clone()).collect()
}

#[test]
fn every_alarm_has_a_fault_that_it_is_for() {
    let alarms: BTreeSet<String> = Alarm::all().into_iter().map(|alarm| alarm.name).collect();
    let faults = FAULTS.iter().flat_map(|fault| fault.rings).map(|name| (*name).to_owned());
    assert_eq!(alarms, faults.collect(), "alarms of the template, and what has a row here");
}

#[test]
fn each_fault_rings_its_alarms_and_no_others() {
    let alarms = Alarm::all();
    let mut wrong = Vec::new();
    for fault in FAULTS {
        let tape = (fault.run)();
        let rings = ringing(&alarms, &tape);
        for series in tape.series("tryon") {
            labels::check(fault.name, &series);
        }
        if rings != fault.rings.iter().map(|name| (*name).to_owned()).collect() {
            wrong.push((fault.name, rings));
        }
    }
    assert!(wrong.is_empty(), "what rang, where it was not as the table says: {wrong:#?}");
}

#[test]
fn a_healthy_shop_rings_no_alarm() {
    let tape = &*HEALTHY;
    assert_eq!(ringing(&Alarm::all(), tape), BTreeSet::new());
    assert!(tape.minutes() >= 120);
    let shares = [("class", "online"), ("function", "distributor"), ("route", "gemini")];
    let shares = [&shares[..], &[("stage", "dev")]].concat();
    let online = Series::of("tryon", "target_share", &shares);
    let judged = tape.between(&online, 0, i64::MAX).len();
    assert!(judged >= 200, "P95 is not quiet for want of values: {judged}");
}

#[test]
fn every_alarm_says_what_it_means_and_where_to_read_on() {
    for alarm in Alarm::all() {
        let (means, section) = alarm.description.rsplit_once(' ').unwrap();
        assert_eq!(section, format!("docs/runbook.md#alarm-{}", alarm.name));
        assert!(means.ends_with('.') && means.len() > 20, "{}: {means}", alarm.name);
    }
}
