use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::contract::fixtures::start;

mod bets;
mod ramp;
mod tally;
mod verdicts;

/// `images` good images in slices of `each`: few failures, quick, cheap.
pub(super) fn good_slices(images: u64, each: u64) -> Vec<Slice> {
    (0..images / each).map(|_| slice(each, each / 50, each / 50, 39_000)).collect()
}

pub(super) fn slice(count: u64, failed: u64, late: u64, micros: u64) -> Slice {
    let mut slice = Slice { images: count, failures: Rate::of(count, failed), ..Slice::default() };
    for n in 0..count {
        slice.delays[0].add(if n < late { 1.1 } else { 0.35 });
        slice.costs.add(crate::money::Micros::new(micros), n >= failed);
    }
    slice
}

pub(super) fn good_evidence() -> Evidence {
    Evidence {
        since: start(),
        slices: good_slices(3_000, 100),
        legacy: Slice::default(),
        ratings: vec![ratings("dress", [5, 10, 30, 80, 125], [5, 10, 30, 80, 125])],
        users: Users { percent: Phase::Ten.percent(), gemini: 203, legacy: 1_790 },
        budget: BudgetDays { days: 4, open: 0 },
    }
}

pub(super) fn ratings(category: &str, gemini: [u64; 5], legacy: [u64; 5]) -> Ratings {
    Ratings {
        quality: crate::catalogue::Quality::Sd,
        category: category.to_owned(),
        gemini: Stars(gemini),
        legacy: Stars(legacy),
    }
}

pub(super) fn later(days: i64) -> DateTime<Utc> {
    start() + TimeDelta::days(days)
}

pub(super) fn ask(evidence: &Evidence) -> Report {
    judge(evidence, &Rules::default(), &[], later(4))
}

pub(super) fn verdict(evidence: &Evidence, gate: Gate) -> Verdict {
    finding(&ask(evidence), gate).figures.verdict
}

pub(super) fn finding(report: &Report, gate: Gate) -> Finding {
    report.findings.iter().find(|finding| finding.gate == gate).unwrap().clone()
}

pub(super) fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop::sample::select(&Verdict::ALL[..])
}
