//! The five gates over one evidence.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    betting::Sample,
    cost::{self, Costs},
    evidence::Evidence,
    latency::{self, Class, Delays},
    quality::{self, Stars},
    rate::{self, Rate, RateRule},
    split,
    verdict::{Figures, Finding, Gate, Verdict},
    waiver::Waiver,
};
use crate::{catalogue::Quality, money::Micros};

/// The chance that a good provider is ever rolled back by a gate, in a period of the ramp: together
/// below 1 %.
const COST_ERROR: f64 = 0.001;
const LATENCY_ERROR: f64 = 0.003;
const FAILURES_ERROR: f64 = 0.005;
const QUALITY_ERROR: f64 = 0.001;

/// What is asked of the new provider.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub cost_of_image: Micros,
    /// The most that a render can cost. One that cost more is believed, and its cost taken instead.
    pub most_a_render: Micros,
    /// Targets of P95 in seconds; Batch has each render's own.
    pub online_seconds: u32,
    pub online_large_seconds: u32,
    /// A class with fewer images may fail, but is not waited for.
    pub enough_images: u64,
    pub failures: RateRule,
    /// Mean rating over the legacy route's.
    pub parity: f64,
    /// A group with fewer ratings of either route says nothing.
    pub enough_ratings: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            cost_of_image: Micros::new(50_000),
            most_a_render: Micros::new(500_000),
            online_seconds: 60,
            online_large_seconds: 300,
            enough_images: 100,
            failures: RateRule::FIVE_PERCENT,
            parity: 0.9,
            enough_ratings: 50,
        }
    }
}

/// What the gates said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub at: DateTime<Utc>,
    /// From when on the evidence is.
    pub since: DateTime<Utc>,
    /// By [`Gate::ALL`].
    pub findings: Vec<Finding>,
    /// The check of the split; none where nobody is split.
    pub split: Option<Figures>,
    /// Ended renders on the Gemini route.
    pub images: u64,
}

/// Asks every gate.
pub fn judge(evidence: &Evidence, rules: &Rules, waivers: &[Waiver], now: DateTime<Utc>) -> Report {
    let findings = Gate::ALL.map(|gate| {
        let (figures, group, legacy) = ask(gate, evidence, rules);
        let waived = waivers.iter().find(|waiver| waiver.gate == gate && waiver.holds(now));
        let eta = figures.eta(evidence.since, now);
        Finding { gate, figures, group, legacy, eta, waived: waived.cloned() }
    });
    Report {
        at: now,
        since: evidence.since,
        findings: findings.into(),
        split: split::judge(&evidence.users),
        images: evidence.slices.iter().map(|slice| slice.images).sum(),
    }
}

/// A gate's figures, the group that decided, and what the legacy route has in place of the estimate.
type Answer = (Figures, Option<String>, Option<f64>);

fn ask(gate: Gate, evidence: &Evidence, rules: &Rules) -> Answer {
    let slices = || evidence.slices.iter();
    match gate {
        Gate::Cost => {
            let costs: Vec<Costs> = slices().map(|slice| slice.costs).collect();
            let figures = cost::judge(&costs, rules.cost_of_image, rules.most_a_render, COST_ERROR);
            (figures, None, evidence.legacy.costs.an_image())
        }
        Gate::Latency => latency(evidence, rules),
        Gate::Failures => {
            let failures: Vec<Rate> = slices().map(|slice| slice.failures).collect();
            let figures = rate::judge(&failures, &rules.failures, FAILURES_ERROR);
            (figures, None, evidence.legacy.failures.mean())
        }
        Gate::Quality => quality(evidence, rules),
        Gate::Budget => (budget(evidence), None, None),
    }
}

/// The worst class decides.
fn latency(evidence: &Evidence, rules: &Rules) -> Answer {
    let error = LATENCY_ERROR / Class::ALL.len() as f64;
    let classes = Class::ALL.into_iter().enumerate().map(|(place, class)| {
        let slices: Vec<Delays> =
            evidence.slices.iter().filter_map(|slice| slice.delays.get(place).copied()).collect();
        let unit = match class {
            Class::Online => f64::from(rules.online_seconds),
            Class::OnlineLarge => f64::from(rules.online_large_seconds),
            // Each has a deadline of its own: shares of it.
            Class::Batch => 1.0,
        };
        let legacy = evidence.legacy.delays.get(place).and_then(Delays::p95);
        let figures = latency::judge(&slices, error).scaled(unit);
        (figures, Some(class.as_str().to_owned()), legacy.map(|p95| p95 * unit))
    });
    worst(classes.collect(), rules.enough_images)
}

/// The worst of all ratings together, of each quality and of each category decides.
fn quality(evidence: &Evidence, rules: &Rules) -> Answer {
    let mut groups: BTreeMap<Group<'_>, (Stars, Stars)> = BTreeMap::new();
    for cell in &evidence.ratings {
        for group in [Group::All, Group::Of(cell.quality), Group::In(&cell.category)] {
            let (gemini, legacy) = groups.entry(group).or_default();
            *gemini += cell.gemini;
            *legacy += cell.legacy;
        }
    }
    groups.entry(Group::All).or_default();
    let error = QUALITY_ERROR / groups.len() as f64;
    let answers = groups.into_iter().map(|(group, (gemini, legacy))| {
        let figures = quality::judge(&gemini, &legacy, rules.parity, rules.enough_ratings, error);
        (figures, group.name(), None)
    });
    worst(answers.collect(), rules.enough_ratings)
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group<'a> {
    All,
    Of(Quality),
    In(&'a str),
}

impl Group<'_> {
    fn name(self) -> Option<String> {
        match self {
            Self::All => None,
            Self::Of(quality) => Some(quality.to_string()),
            Self::In(category) => Some(category.to_owned()),
        }
    }
}

/// The answer that decides: one that fails, else the worst of those that rest on enough, else the
/// one that rests on most, which then cannot pass. The first of equals.
fn worst(answers: Vec<Answer>, enough: u64) -> Answer {
    let rank = |(figures, ..): &Answer| match figures.verdict {
        Verdict::Fail => (2, Verdict::Fail, 0),
        // Of equals, the one that waits longest.
        verdict if figures.count >= enough => (1, verdict, figures.needed.unwrap_or(u64::MAX)),
        _ => (0, Verdict::Pass, figures.count),
    };
    let worst = answers.into_iter().reduce(|a, b| if rank(&b) > rank(&a) { b } else { a });
    let (mut figures, group, legacy) = worst.unwrap_or((budget_of(0, 0), None, None));
    if figures.count < enough && figures.verdict == Verdict::Pass {
        figures.verdict = Verdict::Inconclusive;
    }
    if figures.count < enough {
        figures.needed = figures.needed.map(|needed| needed.max(enough));
    }
    (figures, group, legacy)
}

fn budget(evidence: &Evidence) -> Figures {
    budget_of(evidence.budget.days, evidence.budget.open)
}

/// Counted, not estimated: one opening is one too many.
fn budget_of(days: u64, open: u64) -> Figures {
    Figures {
        verdict: Verdict::of(days > 0, open > 0, || true),
        estimate: (days > 0).then_some(open as f64),
        interval: None,
        limit: 0.0,
        count: days,
        needed: Some(1),
    }
}
