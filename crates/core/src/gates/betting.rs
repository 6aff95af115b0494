//! Testing by betting. Who doubts a claim about a mean starts with one coin and stakes a fixed share
//! of it on each value; the bets are fair or worse where the claim is true, so that the money ever
//! reaches `1 / error` with a chance of `error` at most (Ville), whenever one looks. Money is kept as
//! its logarithm.

use std::ops::AddAssign;

use super::verdict::{Figures, Interval, PASS_ERROR, Verdict};

/// The shares that are staked side by side, an equal part of the coin each: small ones find small
/// differences, large ones find large differences soon.
const STAKES: [f64; 8] = [0.01, 0.025, 0.06, 0.12, 0.25, 0.5, 0.75, 0.95];

/// Of the coin, what is staked from the first slice on. The rest is for later beginnings.
const FROM_THE_FIRST: f64 = 0.75;

/// On which side of the claimed value one says the mean is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Above,
    Below,
}

/// Values that were seen, as far as a bet on their mean needs them; sums, so that a store can give
/// them.
pub(super) trait Sample: Copy + Default + AddAssign {
    fn mean(&self) -> Option<f64>;

    /// Between what the mean lies whatever is seen.
    fn range(&self) -> (f64, f64);

    /// The money after staking `stake` (0 to 1, both excluded) of it on each value, on the mean being
    /// on that side of `claim`. At most fair where it is not.
    fn money(&self, side: Side, claim: f64, stake: f64) -> f64;
}

/// All slices together.
pub(super) fn total<S: Copy + Default + AddAssign>(slices: &[S]) -> S {
    slices.iter().fold(S::default(), |mut sum, slice| {
        sum += *slice;
        sum
    })
}

/// The money that is called evidence, where a false alarm may have a chance of `error`.
pub(super) fn price(error: f64) -> f64 {
    -error.ln()
}

/// The money of all stakes together, once there are `times` as many values of the same kind.
pub(super) fn money<S: Sample>(sample: &S, side: Side, claim: f64, times: f64) -> f64 {
    let each = STAKES.map(|stake| times * sample.money(side, claim, stake));
    sum(&each) - (STAKES.len() as f64).ln()
}

/// The money of a coin whose parts are staked from each slice on. Whoever turns bad after a long good
/// time is found by the bets that began late; one that had begun early would have lost too much.
pub(super) fn money_of_starts<S: Sample>(slices: &[S], money: impl Fn(&S) -> f64) -> f64 {
    let later = 1.0 - FROM_THE_FIRST;
    let part = |index: usize| match index as f64 {
        0.0 => FROM_THE_FIRST,
        index => later / (index * (index + 1.0)),
    };
    let mut seen = S::default();
    // What is kept for beginnings yet to come.
    let mut each = vec![(later / slices.len().max(1) as f64).ln()];
    for (index, slice) in slices.iter().enumerate().rev() {
        seen += *slice;
        each.push(part(index).ln() + money(&seen));
    }
    sum(&each)
}

/// Below what the mean is not, but for a chance of `error`.
pub(super) fn lower<S: Sample>(sample: &S, error: f64, times: f64) -> f64 {
    let (least, _) = sample.range();
    bound(least, sample.mean(), |claim| money(sample, Side::Above, claim, times) >= price(error))
}

/// Above what the mean is not, but for a chance of `error`.
pub(super) fn upper<S: Sample>(sample: &S, error: f64, times: f64) -> f64 {
    let (_, most) = sample.range();
    bound(most, sample.mean(), |claim| money(sample, Side::Below, claim, times) >= price(error))
}

/// Bounds of the mean of what was seen.
pub(super) fn interval<S: Sample>(seen: &S) -> Option<Interval> {
    seen.mean().map(|_| Interval {
        low: lower(seen, PASS_ERROR, 1.0),
        high: Some(upper(seen, PASS_ERROR, 1.0)),
    })
}

/// The figures of a mean that is to lie below `limit`, from `count` values that fail or do not.
pub(super) fn judge_below<S: Sample>(seen: &S, limit: f64, count: u64, fails: bool) -> Figures {
    let passes = |times| money(seen, Side::Below, limit, times) >= price(PASS_ERROR);
    let verdict = Verdict::of(count > 0, fails, || passes(1.0));
    Figures {
        verdict,
        estimate: seen.mean(),
        interval: interval(seen),
        limit,
        count,
        needed: match verdict {
            Verdict::Pass => Some(count),
            Verdict::Fail => None,
            Verdict::NoData | Verdict::Inconclusive => needed(count, passes),
        },
    }
}

/// From `far` towards the mean as far as claims are refuted. Every value it moves to is refuted.
fn bound(far: f64, mean: Option<f64>, refuted: impl Fn(f64) -> bool) -> f64 {
    let (mut out, mut inside) = (far, mean.unwrap_or(far));
    for _ in 0..30 {
        let middle = f64::midpoint(out, inside);
        if refuted(middle) {
            out = middle;
        } else {
            inside = middle;
        }
    }
    out
}

/// The least number of values with which `passes` is expected to be true, if those to come are like
/// the `count` there are; none where that is more than a hundred times as many.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 100 counts")]
pub(super) fn needed(count: u64, passes: impl Fn(f64) -> bool) -> Option<u64> {
    const MOST: f64 = 100.0;
    if count == 0 || !passes(MOST) {
        return None;
    }
    let (mut few, mut enough) = (0.0, MOST);
    for _ in 0..20 {
        let middle = f64::midpoint(few, enough);
        if passes(middle) {
            enough = middle;
        } else {
            few = middle;
        }
    }
    Some((count as f64 * enough).ceil() as u64)
}

/// The logarithm of a sum, from the logarithms of its parts.
fn sum(parts: &[f64]) -> f64 {
    let largest = parts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_finite() {
        largest + parts.iter().map(|part| (part - largest).exp()).sum::<f64>().ln()
    } else {
        largest
    }
}

/// What a whole coin on a value within `range` wins; the least value, or the greatest, loses it.
pub(super) fn win(value: f64, (least, most): (f64, f64), side: Side, claim: f64) -> f64 {
    match side {
        Side::Above => (value - claim) / (claim - least),
        Side::Below => (claim - value) / (most - claim),
    }
}

/// The money of bets on values that are counted one by one, all within `range`.
pub(super) fn money_of_counts(
    counts: impl Iterator<Item = (f64, u64)>,
    range: (f64, f64),
    side: Side,
    claim: f64,
    stake: f64,
) -> f64 {
    let money = |value| (stake * win(value, range, side, claim)).ln_1p();
    counts.map(|(value, count)| count as f64 * money(value)).sum()
}
