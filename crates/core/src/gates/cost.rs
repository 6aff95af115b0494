//! What an image costs, all attempts and failures paid.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::{
    betting::{self, Sample, Side},
    verdict::Figures,
};
use crate::money::Micros;

/// The money of ended renders, in sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    pub renders: u64,
    /// The renders that gave an image.
    pub images: u64,
    pub total: Micros,
    /// What those renders cost that gave an image; the rest of `total` bought nothing.
    pub of_images: Micros,
    /// The sum of each render's cost squared, in square dollars.
    pub squares: f64,
    pub largest: Micros,
}

impl AddAssign for Costs {
    fn add_assign(&mut self, other: Self) {
        self.renders = self.renders.saturating_add(other.renders);
        self.images = self.images.saturating_add(other.images);
        self.total += other.total;
        self.of_images += other.of_images;
        self.squares += other.squares;
        self.largest = self.largest.max(other.largest);
    }
}

impl Costs {
    /// One more render.
    pub fn add(&mut self, cost: Micros, image: bool) {
        *self += Self {
            renders: 1,
            images: image.into(),
            total: cost,
            of_images: if image { cost } else { Micros::ZERO },
            squares: cost.usd() * cost.usd(),
            largest: cost,
        };
    }

    pub(super) fn an_image(&self) -> Option<f64> {
        (self.images > 0).then(|| self.total.usd() / self.images as f64)
    }
}

/// Costs with the most that a render can cost: without it, nothing says that the next one is not
/// beyond measure.
#[derive(Clone, Copy, Debug, Default)]
struct Bounded {
    costs: Costs,
    most: f64,
}

impl AddAssign for Bounded {
    fn add_assign(&mut self, other: Self) {
        self.costs += other.costs;
        self.most = self.most.max(other.most);
    }
}

impl Sample for Bounded {
    fn mean(&self) -> Option<f64> {
        self.costs.an_image()
    }

    fn range(&self) -> (f64, f64) {
        (0.0, self.most.max(self.mean().unwrap_or_default()))
    }

    /// A render that cost `c` and gave `d` images (0 or 1) wins `c / claim - d`, or
    /// `(d * claim - c) / most` on the other side; neither loses more than the stake. The product of
    /// all wins would need each of them; `ln(1 + s x) >= s x + (ln(1 - s) + s) x^2` (Fan, Grama, Liu)
    /// needs their sum and the sum of their squares.
    fn money(&self, side: Side, claim: f64, stake: f64) -> f64 {
        let Costs { images, total, of_images, squares, .. } = self.costs;
        let (images, total, of_images) = (images as f64, total.usd(), of_images.usd());
        // Of `c - d * claim`.
        let sum = total - images * claim;
        let squares = squares - 2.0 * claim * of_images + claim * claim * images;
        let (win, wins_squared) = match side {
            Side::Above => (sum / claim, squares / (claim * claim)),
            Side::Below => (-sum / self.most, squares / (self.most * self.most)),
        };
        stake * win + ((-stake).ln_1p() + stake) * wins_squared
    }
}

/// Judges what an image costs by its slices, in order of time.
pub(super) fn judge(slices: &[Costs], limit: Micros, most: Micros, error: f64) -> Figures {
    let limit = limit.usd();
    let bounded: Vec<Bounded> = slices
        .iter()
        .map(|costs| Bounded { costs: *costs, most: most.max(costs.largest).usd() })
        .collect();
    let seen = betting::total(&bounded);
    let fails =
        betting::money_of_starts(&bounded, |costs| betting::money(costs, Side::Above, limit, 1.0))
            >= betting::price(error);
    betting::judge_below(&seen, limit, seen.costs.renders, fails)
}

/// The money of bets on costs of half a dollar at most.
#[cfg(test)]
pub(super) fn money(costs: &Costs, side: Side, claim: f64, stake: f64) -> f64 {
    Bounded { costs: *costs, most: 0.5 }.money(side, claim, stake)
}
