//! Things that happen to a share of the images: failures, and late ones.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::{
    betting::{self, Sample, Side},
    verdict::Figures,
};

/// How often it happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    pub count: u64,
    /// Of `count`.
    pub hits: u64,
}

/// What share is too much.
#[derive(Clone, Copy, Debug)]
pub struct RateRule {
    /// To be below this passes.
    pub limit: f64,
    /// Up to this is never rolled back, but for a small chance.
    pub good: f64,
    /// This is what a roll-back must catch soon.
    pub bad: f64,
}

impl RateRule {
    /// Five of a hundred, with the bet whose break-even is there too: it wins above 5.1 %, so that
    /// what fails has been seen to be above the limit.
    pub const FIVE_PERCENT: Self = Self { limit: 0.05, good: 0.03, bad: 0.08 };

    /// What one stakes who expects `bad` where `good` is claimed.
    fn stake(&self) -> f64 {
        (self.bad - self.good) / (1.0 - self.good)
    }
}

impl AddAssign for Rate {
    fn add_assign(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.hits = self.hits.saturating_add(other.hits);
    }
}

impl Sample for Rate {
    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.hits as f64 / self.count as f64)
    }

    fn range(&self) -> (f64, f64) {
        (0.0, 1.0)
    }

    fn money(&self, side: Side, claim: f64, stake: f64) -> f64 {
        let misses = self.count.saturating_sub(self.hits);
        let counts = [(0.0, misses), (1.0, self.hits)];
        betting::money_of_counts(counts.into_iter(), self.range(), side, claim, stake)
    }
}

/// Whether the slices speak against `rule.good` so much that it must be rolled back.
fn fails(slices: &[Rate], rule: &RateRule, error: f64) -> bool {
    let stake = rule.stake();
    betting::money_of_starts(slices, |seen: &Rate| seen.money(Side::Above, rule.good, stake))
        >= betting::price(error)
}

/// Judges a rate by its slices, in order of time.
pub(super) fn judge(slices: &[Rate], rule: &RateRule, error: f64) -> Figures {
    let seen = betting::total(slices);
    betting::judge_below(&seen, rule.limit, seen.count, fails(slices, rule, error))
}
