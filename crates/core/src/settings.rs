//! The ten knobs that ops turn in Parameter Store, in one table: the parser, the docs and the
//! creation at deploy all read it.

mod knobs;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

pub use self::knobs::{KNOBS, Knob};
use crate::{
    batch::BatchPolicy,
    budget::Account,
    lane::{DefaultLane, Lane},
    money::Micros,
    routing::{Percent, Split},
};

/// The knobs in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub enable_gemini_batch: bool,
    pub traffic_percent: Percent,
    pub traffic_ceiling: Percent,
    pub daily_budget: Micros,
    pub max_batch_size: usize,
    pub batch_timeout: TimeDelta,
    /// Empty: each backend's own host.
    pub api_endpoint: String,
    pub default_lane: DefaultLane,
    pub when_budget_exhausted: WhenBudgetExhausted,
    pub replicate_daily_budget: Micros,
}

/// Where a Google-bound render goes on a day whose money is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenBudgetExhausted {
    /// The rest of the chain: `PhotoMaker`, then SDXL.
    #[default]
    Fallback,
    /// The legacy chain from its start.
    Legacy,
    Reject,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enable_gemini_batch: false,
            traffic_percent: Percent::ZERO,
            traffic_ceiling: Percent::FULL,
            daily_budget: Micros::new(200_000_000),
            max_batch_size: 50,
            batch_timeout: TimeDelta::milliseconds(45_000),
            api_endpoint: String::new(),
            default_lane: DefaultLane::Auto,
            when_budget_exhausted: WhenBudgetExhausted::Fallback,
            replicate_daily_budget: Micros::new(1_500_000_000),
        }
    }
}

/// A knob's text that cannot be used; the last good value stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("knob {name}: {fix}")]
pub struct BadKnob {
    pub name: String,
    pub fix: String,
}

impl Settings {
    /// Sets the knob `name` from its text.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), BadKnob> {
        let bad = |fix: String| BadKnob { name: name.to_owned(), fix };
        let knob = KNOBS.iter().find(|knob| knob.name == name);
        let knob = knob.ok_or_else(|| bad("there is no such knob".to_owned()))?;
        (knob.set)(self, text.trim()).map_err(|()| bad(format!("give {}", knob.bounds)))
    }

    pub fn split<'a>(&self, salt: &'a str) -> Split<'a> {
        Split {
            enabled: self.enable_gemini_batch,
            percent: self.traffic_percent,
            ceiling: self.traffic_ceiling,
            salt,
        }
    }

    /// What the account may cost on a UTC day.
    pub const fn daily_budget_of(&self, account: Account) -> Micros {
        match account {
            Account::Google => self.daily_budget,
            Account::Replicate => self.replicate_daily_budget,
        }
    }

    pub fn batch_policy(&self) -> BatchPolicy {
        BatchPolicy {
            max_renders: self.max_batch_size,
            timeout: self.batch_timeout,
            ..BatchPolicy::default()
        }
    }
}

fn default_lane(text: &str) -> Result<DefaultLane, ()> {
    match text {
        "auto" => Ok(DefaultLane::Auto),
        "online" => Ok(DefaultLane::Always(Lane::Online)),
        "batch" => Ok(DefaultLane::Always(Lane::Batch)),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests;
