//! What customers say: the mean rating of one route over that of the other.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::{
    betting::{self, Sample, Side},
    verdict::{Figures, Interval, PASS_ERROR, Verdict},
};
use crate::rating::Rating;

/// Ratings of 1 to 5, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stars(pub [u64; 5]);

impl AddAssign for Stars {
    fn add_assign(&mut self, other: Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
    }
}

impl Stars {
    /// One more.
    pub fn add(&mut self, rating: Rating) {
        if let Some(count) = self.0.get_mut(usize::from(rating.get() - 1)) {
            *count = count.saturating_add(1);
        }
    }

    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    fn values(&self) -> impl Iterator<Item = (f64, u64)> {
        [1.0, 2.0, 3.0, 4.0, 5.0].into_iter().zip(self.0)
    }
}

impl Sample for Stars {
    fn mean(&self) -> Option<f64> {
        let sum: f64 = self.values().map(|(stars, count)| stars * count as f64).sum();
        (self.count() > 0).then(|| sum / self.count() as f64)
    }

    fn range(&self) -> (f64, f64) {
        (1.0, 5.0)
    }

    fn money(&self, side: Side, claim: f64, stake: f64) -> f64 {
        betting::money_of_counts(self.values(), self.range(), side, claim, stake)
    }
}

/// Below what `one` over `other` is not, but for a chance of `error`, which both share.
fn least(one: &Stars, other: &Stars, error: f64, times: f64) -> f64 {
    betting::lower(one, error / 2.0, times) / betting::upper(other, error / 2.0, times)
}

fn most(one: &Stars, other: &Stars, error: f64) -> f64 {
    betting::upper(one, error / 2.0, 1.0) / betting::lower(other, error / 2.0, 1.0)
}

/// Judges a group. With fewer than `enough` ratings of either route nothing is concluded.
pub(super) fn judge(
    gemini: &Stars,
    legacy: &Stars,
    parity: f64,
    enough: u64,
    error: f64,
) -> Figures {
    let count = gemini.count().min(legacy.count());
    let passes = |times| least(gemini, legacy, PASS_ERROR, times) > parity;
    let settled = count >= enough;
    let fails = settled && most(gemini, legacy, error) < parity;
    let verdict = Verdict::of(count > 0, fails, || settled && passes(1.0));
    Figures {
        verdict,
        estimate: gemini.mean().zip(legacy.mean()).map(|(one, other)| one / other),
        interval: (count > 0).then(|| Interval {
            low: least(gemini, legacy, PASS_ERROR, 1.0),
            high: Some(most(gemini, legacy, PASS_ERROR)),
        }),
        limit: parity,
        count,
        needed: match verdict {
            Verdict::Pass => Some(count),
            Verdict::Fail => None,
            Verdict::NoData => Some(enough),
            Verdict::Inconclusive => betting::needed(count, passes).map(|n| n.max(enough)),
        },
    }
}
