//! What a gate answers.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::waiver::Waiver;

/// The chance that something at its limit or beyond ever passes: bounds hold with 95 %.
pub(super) const PASS_ERROR: f64 = 0.05;

/// A condition of the ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// What an image costs.
    Cost,
    /// P95 of the time to the picture, against its target.
    Latency,
    /// Renders that the assigned provider did not deliver.
    Failures,
    /// Mean rating against the legacy route's.
    Quality,
    /// Days on which the budget breaker opened.
    Budget,
}

impl Gate {
    pub const ALL: [Self; 5] =
        [Self::Cost, Self::Latency, Self::Failures, Self::Quality, Self::Budget];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Latency => "latency",
            Self::Failures => "failures",
            Self::Quality => "quality",
            Self::Budget => "budget",
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the evidence says, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    Pass,
    Inconclusive,
    /// Nothing was seen; never as good as having passed.
    NoData,
    Fail,
}

impl Verdict {
    pub const ALL: [Self; 4] = [Self::Pass, Self::Inconclusive, Self::NoData, Self::Fail];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::NoData => "NO_DATA",
            Self::Fail => "FAIL",
        }
    }

    pub(super) fn of(seen: bool, fails: bool, passes: impl FnOnce() -> bool) -> Self {
        match (seen, fails) {
            (false, _) => Self::NoData,
            (true, true) => Self::Fail,
            (true, false) if passes() => Self::Pass,
            (true, false) => Self::Inconclusive,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Bounds of the true value; each holds with 95 %, whenever one looks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    /// None where nothing bounds it yet.
    pub high: Option<f64>,
}

/// A verdict with the numbers behind it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    pub verdict: Verdict,
    pub estimate: Option<f64>,
    pub interval: Option<Interval>,
    pub limit: f64,
    /// What it rests on: images, or ratings.
    pub count: u64,
    /// How many are expected to be needed to pass; none where more of the same will not do.
    pub needed: Option<u64>,
}

impl Figures {
    /// The same in another unit.
    pub(super) fn scaled(self, unit: f64) -> Self {
        let interval = self
            .interval
            .map(|at| Interval { low: at.low * unit, high: at.high.map(|high| high * unit) });
        let estimate = self.estimate.map(|estimate| estimate * unit);
        Self { estimate, interval, limit: self.limit * unit, ..self }
    }

    /// When the needed number is expected, at the pace since `since`.
    #[expect(clippy::cast_possible_truncation, reason = "compared before")]
    pub(super) fn eta(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let missing = self.needed?.checked_sub(self.count).filter(|missing| *missing > 0)?;
        let elapsed = (now - since).as_seconds_f64();
        let seconds = elapsed * missing as f64 / self.count as f64;
        let soon = seconds.is_finite() && (0.0..=365.0 * 86_400.0).contains(&seconds);
        soon.then(|| now + TimeDelta::seconds(seconds.ceil() as i64))
    }
}

/// A gate's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub gate: Gate,
    #[serde(flatten)]
    pub figures: Figures,
    /// Which part of the images decided, where it was not all of them.
    pub group: Option<String>,
    /// The same of the legacy route's renders in the same hours.
    pub legacy: Option<f64>,
    pub eta: Option<DateTime<Utc>>,
    /// By which it does not count now.
    pub waived: Option<Waiver>,
}

impl Finding {
    /// Whether it keeps the ramp where it is, or sends it back.
    pub fn blocks(&self) -> bool {
        self.waived.is_none() && self.figures.verdict != Verdict::Pass
    }

    pub fn fails(&self) -> bool {
        self.waived.is_none() && self.figures.verdict == Verdict::Fail
    }
}
