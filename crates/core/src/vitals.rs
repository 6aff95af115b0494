//! How a backend has been answering: calls and failures by the minute, and what was made of them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How many minutes are remembered, the current one included.
pub const MINUTES: u64 = 10;

/// A backend's health as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// 0 before the first change of breaker or probe, one more with each. Counting changes none.
    pub version: u64,
    /// The last [`MINUTES`] in which there were calls, the oldest first.
    pub minutes: Vec<Minute>,
    pub breaker: Breaker,
    /// Until when somebody alone may try whether the backend is back.
    pub probe_until: Option<DateTime<Utc>>,
}

/// A minute's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    /// Whole minutes since the epoch.
    pub number: u64,
    pub calls: u64,
    /// Those of the calls that failed.
    pub failures: u64,
}

/// Whether calls to a backend are let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "breaker", rename_all = "snake_case")]
pub enum Breaker {
    #[default]
    Closed,
    Open {
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    },
}

impl Minute {
    /// The minute of `now`, in whole minutes since the epoch.
    pub fn number_of(now: DateTime<Utc>) -> u64 {
        u64::try_from(now.timestamp().div_euclid(60)).unwrap_or_default()
    }

    /// Whether it is among the last [`MINUTES`].
    pub fn is_recent(&self, now: DateTime<Utc>) -> bool {
        let age = Self::number_of(now).checked_sub(self.number);
        age.is_some_and(|age| age < MINUTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ten_minutes_are_recent_whatever_a_row_says() {
        let now = DateTime::UNIX_EPOCH + chrono::TimeDelta::minutes(100);
        let recent = |number| Minute { number, calls: 1, failures: 0 }.is_recent(now);
        let numbers = [90, 91, 100, 101, u64::MAX];
        assert_eq!(numbers.map(recent), [false, true, true, false, false]);
    }
}
