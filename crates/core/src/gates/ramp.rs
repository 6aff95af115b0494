//! From 0 to 100 % in four phases, and back at once where a gate fails.
//!
//! Two percentages are in force, and the lower counts: ops write one, the rollout the other. A
//! decision changes only the second, so that no race raises what ops cut.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    judge::Report,
    verdict::{Gate, Verdict},
};
use crate::routing::Percent;

/// After so long the evidence begins anew: the chance of a false alarm is one for each period, and
/// what was long ago says little.
pub const PERIOD: TimeDelta = TimeDelta::days(28);

/// How far the ramp has come.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    #[default]
    Off,
    Ten,
    Fifty,
    Full,
}

/// What a phase must have seen before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Least {
    pub time: TimeDelta,
    pub images: u64,
}

impl Phase {
    pub const ALL: [Self; 4] = [Self::Off, Self::Ten, Self::Fifty, Self::Full];

    pub fn percent(self) -> Percent {
        let points = match self {
            Self::Off => 0,
            Self::Ten => 1_000,
            Self::Fifty => 5_000,
            Self::Full => 10_000,
        };
        Percent::from_basis_points(points).unwrap_or_default()
    }

    /// The last phase that `percent` has reached.
    pub fn at(percent: Percent) -> Self {
        let reached = |phase: &Self| phase.percent() <= percent;
        Self::ALL.into_iter().rev().find(reached).unwrap_or_default()
    }

    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Off => Some(Self::Ten),
            Self::Ten => Some(Self::Fifty),
            Self::Fifty => Some(Self::Full),
            Self::Full => None,
        }
    }

    pub const fn least(self) -> Least {
        match self {
            Self::Off | Self::Ten => Least { time: TimeDelta::days(3), images: 500 },
            Self::Fifty | Self::Full => Least { time: TimeDelta::days(7), images: 2_000 },
        }
    }
}

/// Who takes the next step: `ROLLOUT_MODE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Manual,
    Automatic,
}

impl FromStr for Mode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "manual" => Ok(Self::Manual),
            "automatic" => Ok(Self::Automatic),
            _ => Err(()),
        }
    }
}

/// Where the ramp stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramp {
    /// `traffic-percent`, by ops.
    pub traffic: Percent,
    /// `traffic-ceiling`, by the rollout.
    pub ceiling: Percent,
    /// When the lower of the two last changed.
    pub since: DateTime<Utc>,
    /// The last phase that passed.
    pub good: Phase,
    /// Sent back, and not let go again by ops: it does not rise by itself.
    pub rolled_back: bool,
    pub mode: Mode,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "move", rename_all = "snake_case")]
pub enum Move {
    Hold {
        why: Why,
    },
    /// All is well; ops take the next step.
    Ready {
        next: Phase,
    },
    /// The ceiling goes up.
    Raise {
        next: Phase,
    },
    /// The ceiling goes down, now.
    RollBack {
        to: Phase,
        because: Gate,
    },
}

/// Why everything stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Why {
    /// Nothing goes to Google.
    Off,
    /// The evidence is not of the percentage in force.
    Stale,
    /// A gate does not pass yet.
    Gate { gate: Gate, verdict: Verdict },
    /// The split is broken, or too few users were seen to tell.
    Split { verdict: Verdict },
    /// Too early, or too few images.
    Least { images: u64, until: DateTime<Utc> },
    /// Everything goes to Google already.
    Complete,
}

impl Ramp {
    pub fn in_force(&self) -> Percent {
        self.traffic.min(self.ceiling)
    }

    /// From when on the evidence is to be taken.
    pub fn evidence_since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let periods = (now - self.since).num_seconds().max(0) / PERIOD.num_seconds();
        self.since + TimeDelta::seconds(periods * PERIOD.num_seconds())
    }

    /// What follows from the report of now.
    pub fn decide(&self, report: &Report, now: DateTime<Utc>) -> Move {
        let in_force = self.in_force();
        if in_force == Percent::ZERO {
            return Move::Hold { why: Why::Off };
        }
        if report.since < self.evidence_since(now) {
            return Move::Hold { why: Why::Stale };
        }
        if let Some(failed) = report.findings.iter().find(|finding| finding.fails()) {
            return Move::RollBack { to: self.back(), because: failed.gate };
        }
        if let Some(why) = self.obstacle(report, now) {
            return Move::Hold { why };
        }
        match Phase::at(in_force).next() {
            None => Move::Hold { why: Why::Complete },
            Some(next) if self.may_rise() => Move::Raise { next },
            Some(next) => Move::Ready { next },
        }
    }

    /// What keeps it from going on.
    fn obstacle(&self, report: &Report, now: DateTime<Utc>) -> Option<Why> {
        // A gate that was not asked has seen nothing.
        for gate in Gate::ALL {
            let finding = report.findings.iter().find(|finding| finding.gate == gate);
            let Some(finding) = finding else {
                return Some(Why::Gate { gate, verdict: Verdict::NoData });
            };
            if finding.blocks() {
                return Some(Why::Gate { gate, verdict: finding.figures.verdict });
            }
        }
        let in_force = self.in_force();
        let split = report.split.map(|figures| figures.verdict);
        match split {
            Some(Verdict::Pass) => {}
            None if in_force == Percent::FULL => {}
            None => return Some(Why::Split { verdict: Verdict::NoData }),
            Some(verdict) => return Some(Why::Split { verdict }),
        }
        let phase = Phase::at(in_force);
        // There is nothing to wait for where there is no next one.
        phase.next()?;
        let least = phase.least();
        let until = self.since + least.time;
        let missing = least.images.saturating_sub(report.images);
        (now < until || missing > 0).then_some(Why::Least { images: missing, until })
    }

    /// Whether the ceiling, and it alone, keeps the traffic down.
    fn may_rise(&self) -> bool {
        self.mode == Mode::Automatic && !self.rolled_back && self.ceiling < self.traffic
    }

    /// The last good phase below what is in force.
    fn back(&self) -> Phase {
        let in_force = self.in_force();
        let below = |phase: &Phase| *phase <= self.good && phase.percent() < in_force;
        Phase::ALL.into_iter().rev().find(below).unwrap_or_default()
    }

    /// Where the ramp stands after `step`.
    #[must_use]
    pub fn after(self, step: Move, now: DateTime<Utc>) -> Self {
        let passed = Phase::at(self.in_force());
        match step {
            Move::Hold { .. } => self,
            Move::Ready { .. } => Self { good: passed, ..self },
            Move::Raise { next } => {
                Self { good: passed, ceiling: next.percent(), since: now, ..self }
            }
            Move::RollBack { to, .. } => {
                Self { good: to, ceiling: to.percent(), since: now, rolled_back: true, ..self }
            }
        }
    }
}
