//! What the gates are told: counts and sums that a store gives in a query or two, never rows.
//!
//! Everything is of renders accepted since the percentage in force last changed, by *assigned* route:
//! a render that was diverted still counts where the hash put it.

use std::ops::AddAssign;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    cost::Costs,
    latency::{Class, Delays},
    quality::Stars,
    rate::Rate,
};
use crate::{catalogue::Quality, routing::Percent};

/// What was seen since `since`.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    pub since: DateTime<Utc>,
    /// The Gemini route's renders, an hour each by the time at which they came to count, in order of
    /// time. Empty hours may be left out.
    pub slices: Vec<Slice>,
    /// The legacy route's, all together.
    pub legacy: Slice,
    /// By quality and category of the first garment; pictures by description are left out.
    pub ratings: Vec<Ratings>,
    pub users: Users,
    pub budget: BudgetDays,
}

/// Renders, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Ended renders, but for those that are left out below.
    pub images: u64,
    /// Ended renders without a picture by the assigned provider; a batch is one observation. Left out
    /// are those refused for their content, and those that it was not asked for.
    pub failures: Rate,
    /// By [`Class::ALL`]. A render counts once its target's time is over: to count the quick ones
    /// earlier would make the first look the best.
    pub delays: [Delays; Class::ALL.len()],
    /// Of ended renders that it was asked for.
    pub costs: Costs,
}

impl AddAssign for Slice {
    fn add_assign(&mut self, other: Self) {
        self.images = self.images.saturating_add(other.images);
        self.failures += other.failures;
        self.costs += other.costs;
        self.delays.iter_mut().zip(other.delays).for_each(|(sum, more)| *sum += more);
    }
}

/// Ratings of a group by both routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratings {
    pub quality: Quality,
    pub category: String,
    pub gemini: Stars,
    pub legacy: Stars,
}

/// How many different users were seen on each route, at which percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Users {
    pub percent: Percent,
    pub gemini: u64,
    pub legacy: u64,
}

/// The UTC days since, and what was seen of the ledger on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetDays {
    pub days: u64,
    /// How often the breaker opened.
    pub open: u64,
}
