//! That the bets are fair: what an honest claim leaves in the purse, counted out over every outcome.

use proptest::prelude::*;

use super::super::{
    betting::{self, Sample, Side},
    cost,
    quality::Stars,
    rate::Rate,
};
use crate::money::Micros;

/// The mean of the money over all sequences of `n` images that fail with `p` each.
fn expected(n: u32, p: f64, money: impl Fn(&[bool]) -> f64) -> f64 {
    (0..1_u32 << n)
        .map(|bits| {
            let fails: Vec<bool> = (0..n).map(|image| bits >> image & 1 == 1).collect();
            let hits = i32::try_from(bits.count_ones()).unwrap();
            let misses = i32::try_from(n).unwrap() - hits;
            p.powi(hits) * (1.0 - p).powi(misses) * money(&fails).exp()
        })
        .sum()
}

fn rate(fails: &[bool]) -> Rate {
    let hits = fails.iter().filter(|fails| **fails).count();
    Rate::of(fails.len() as u64, hits as u64)
}

fn near(value: f64, wanted: f64) -> bool {
    (value - wanted).abs() < 1e-9
}

#[test]
fn a_true_claim_is_a_fair_bet() {
    for side in [Side::Above, Side::Below] {
        let purse = expected(10, 0.05, |fails| betting::money(&rate(fails), side, 0.05, 1.0));
        assert!(near(purse, 1.0), "{side:?}: {purse}");
    }
}

#[test]
fn bets_that_begin_late_are_fair_together() {
    let purse = expected(10, 0.03, |fails| {
        let slices: Vec<Rate> = fails.chunks(3).map(rate).collect();
        betting::money_of_starts(&slices, |seen| seen.money(Side::Above, 0.03, 0.0515))
    });
    assert!(near(purse, 1.0), "{purse}");
}

#[test]
fn the_wager_is_the_ratio_of_likelihoods() {
    let seen = Rate::of(200, 15);
    let stake = (0.08 - 0.03) / 0.97;
    let ratio = 15.0 * (0.08_f64 / 0.03).ln() + 185.0 * (0.92_f64 / 0.97).ln();
    assert!(near(seen.money(Side::Above, 0.03, stake), ratio));
}

#[test]
fn sums_give_no_more_than_the_costs_themselves() {
    let costs = [30_000, 40_000, 40_000, 90_000, 250_000].map(Micros::new);
    let mut sums = cost::Costs::default();
    for cost in costs {
        sums.add(cost, true);
    }
    for stake in [0.01, 0.25, 0.95] {
        for side in [Side::Above, Side::Below] {
            let win = |cost: &Micros| match side {
                Side::Above => cost.usd() / 0.05 - 1.0,
                Side::Below => (0.05 - cost.usd()) / 0.5,
            };
            let truth: f64 = costs.iter().map(|cost| (stake * win(cost)).ln_1p()).sum();
            assert!(cost::money(&sums, side, 0.05, stake) <= truth, "{side:?} {stake}");
        }
    }
}

proptest! {
    #[test]
    fn parts_give_no_more_than_the_shares_themselves(
        shares in prop::collection::vec((0..=20u64, 0..=20u64), 1..30),
        claim in 0.01..0.2f64, stake in 0.01..0.95f64,
    ) {
        let mut rate = Rate::default();
        let shares = shares.into_iter().map(|(hits, more)| (hits, (hits + more).max(1)));
        let shares: Vec<(u64, u64)> = shares.collect();
        for (hits, images) in &shares {
            rate.add(*hits, *images);
        }
        for side in [Side::Above, Side::Below] {
            let of = |share: f64| (stake * betting::win(share, (0.0, 1.0), side, claim)).ln_1p();
            let truth: f64 = shares.iter().map(|(hits, images)| of(*hits as f64 / *images as f64)).sum();
            let money = rate.money(side, claim, stake);
            prop_assert!(money <= truth + 1e-9, "{:?}: {} of {}", side, money, truth);
            // What is all or none is counted exactly.
            let whole = Rate { mixed: 0.0, ..rate };
            prop_assert!(whole.money(side, claim, stake) <= money);
        }
    }

    #[test]
    fn a_claim_on_the_right_side_never_wins(p in 0.0..0.05f64, claim in 0.05..0.5f64) {
        let above = |fails: &[bool]| betting::money(&rate(fails), Side::Above, claim, 1.0);
        let below = |fails: &[bool]| betting::money(&rate(fails), Side::Below, claim, 1.0);
        prop_assert!(expected(6, p, above) <= 1.0 + 1e-9);
        prop_assert!(expected(6, 1.0 - p, below) <= 1.0 + 1e-9);
    }

    #[test]
    fn bounds_hold_the_mean_and_shrink_with_more_of_the_same(stars: [u8; 5]) {
        prop_assume!(stars.iter().any(|count| *count > 0));
        let seen = Stars(stars.map(u64::from));
        let (low, high) = (betting::lower(&seen, 0.05, 1.0), betting::upper(&seen, 0.05, 1.0));
        let mean = seen.mean().unwrap();
        prop_assert!(1.0 <= low && low <= mean && mean <= high && high <= 5.0);
        prop_assert!(betting::lower(&seen, 0.05, 4.0) >= low - 1e-6);
        prop_assert!(betting::upper(&seen, 0.05, 4.0) <= high + 1e-6);
        prop_assert!(betting::lower(&seen, 0.01, 1.0) <= low + 1e-6);
    }
}
