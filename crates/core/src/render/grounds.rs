//! What the router went by when it accepted a render, so that the same can be decided again later,
//! when the knobs and the budget are others.

use serde::{Deserialize, Serialize};

use crate::{
    budget::Account,
    lane::DefaultLane,
    routing::{Percent, Split},
    settings::{Settings, WhenBudgetExhausted},
};

/// The knobs in force and the state of the world at acceptance, as far as route, step and lane depend
/// on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounds {
    pub enable_gemini_batch: bool,
    pub traffic_percent: Percent,
    pub traffic_ceiling: Percent,
    pub default_lane: DefaultLane,
    pub when_budget_exhausted: WhenBudgetExhausted,
    /// Whether Google's backend took renders.
    pub google_well: bool,
    /// Whether each account could pay for what the render would have bought first.
    pub google_funded: bool,
    pub replicate_funded: bool,
}

impl Grounds {
    pub fn new(settings: &Settings, well: bool, funded: impl Fn(Account) -> bool) -> Self {
        Self {
            enable_gemini_batch: settings.enable_gemini_batch,
            traffic_percent: settings.traffic_percent,
            traffic_ceiling: settings.traffic_ceiling,
            default_lane: settings.default_lane,
            when_budget_exhausted: settings.when_budget_exhausted,
            google_well: well,
            google_funded: funded(Account::Google),
            replicate_funded: funded(Account::Replicate),
        }
    }

    pub const fn split<'a>(&self, salt: &'a str) -> Split<'a> {
        Split {
            enabled: self.enable_gemini_batch,
            percent: self.traffic_percent,
            ceiling: self.traffic_ceiling,
            salt,
        }
    }

    pub const fn funded(&self, account: Account) -> bool {
        match account {
            Account::Google => self.google_funded,
            Account::Replicate => self.replicate_funded,
        }
    }
}
