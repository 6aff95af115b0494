//! Things that happen to a share of the images: failures, and late ones.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::{
    betting::{self, Sample, Side},
    verdict::Figures,
};

/// How often it happened. Images that were made together are one observation, which was hit by as much
/// as that share of them was: what comes together is no more evidence than what comes alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Observations.
    pub count: f64,
    /// Of `count`.
    pub hits: f64,
    /// The sum of `x (1 - x)` over the shares `x` that were hit: nothing where each is all or none.
    pub mixed: f64,
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
        self.count += other.count;
        self.hits += other.hits;
        self.mixed += other.mixed;
    }
}

impl Rate {
    /// Images each made alone, `hits` of `count`.
    pub const fn of(count: u64, hits: u64) -> Self {
        Self { count: count as f64, hits: hits as f64, mixed: 0.0 }
    }

    /// One more observation: `hits` of `images` that were made together.
    pub fn add(&mut self, hits: u64, images: u64) {
        if images > 0 {
            let share = hits as f64 / images as f64;
            *self += Self { count: 1.0, hits: share, mixed: share * (1.0 - share) };
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of things that there were"
    )]
    pub(super) fn observations(&self) -> u64 {
        self.count.round() as u64
    }
}

impl Sample for Rate {
    fn mean(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.hits / self.count)
    }

    fn range(&self) -> (f64, f64) {
        (0.0, 1.0)
    }

    /// The money on a share `x`, `f(x) = ln(1 + stake * win(x))`, bends downwards, and the steeper the
    /// nearer to one end. Hence `f(x) >= (1 - x) f(0) + x f(1) + c x (1 - x)` with the lesser of the
    /// two values for `c` that the slopes at the ends give: sums are enough.
    fn money(&self, side: Side, claim: f64, stake: f64) -> f64 {
        let win = |share| betting::win(share, self.range(), side, claim);
        let (none, all) = (stake * win(0.0), stake * win(1.0));
        let (from, to) = (none.ln_1p(), all.ln_1p());
        let slope = |at: f64| (all - none) / (1.0 + at);
        let bend = (slope(none) - (to - from)).min((to - from) - slope(all));
        (self.count - self.hits).max(0.0) * from + self.hits * to + self.mixed * bend.max(0.0)
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
    betting::judge_below(&seen, rule.limit, seen.observations(), fails(slices, rule, error))
}
