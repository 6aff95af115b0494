//! How a backend has been answering: calls and what came of them by the minute, and what was made of
//! that.

mod breaker;
mod pace;

use std::{fmt, ops::AddAssign, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{catalogue::Backend, chain::Step};

pub use self::{
    breaker::{Admission, Breaker, BreakerRules, Gate, Probe, Sign},
    pace::TRIES,
};

/// How many minutes are remembered, the current one included.
pub const MINUTES: u64 = 10;

/// Whose calls are counted: a backend's, which has a breaker; or those of the model behind a step of
/// the chain, which has none: they show which of a backend's models does badly, or slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Backend(Backend),
    Step(Step),
}

impl Subject {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backend(backend) => backend.as_str(),
            Self::Step(step) => step.as_str(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<Backend> for Subject {
    fn from(backend: Backend) -> Self {
        Self::Backend(backend)
    }
}

impl From<Step> for Subject {
    fn from(step: Step) -> Self {
        Self::Step(step)
    }
}

/// A backend's health as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// 0 before the first change of breaker or probe, one more with each. Counting changes none.
    pub version: u64,
    /// The last [`MINUTES`] in which there were calls, the oldest first.
    pub minutes: Vec<Minute>,
    pub breaker: Breaker,
    /// Who alone may try whether the backend is back.
    pub probe: Option<Probe>,
}

/// A minute's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    /// Whole minutes since the epoch.
    pub number: u64,
    pub tally: Tally,
}

/// Calls, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub calls: u64,
    /// Those that failed for good.
    pub failures: u64,
    /// Those that were asked to slow down (429, 503).
    pub throttled: u64,
    /// Those that repeated a call from which nothing had come.
    pub retries: u64,
    /// Those that brought a picture, and of which it is known how long that took.
    #[serde(default)]
    pub timed: u64,
    /// How long these took together.
    #[serde(default)]
    pub millis: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.throttled = self.throttled.saturating_add(other.throttled);
        self.retries = self.retries.saturating_add(other.retries);
        self.timed = self.timed.saturating_add(other.timed);
        self.millis = self.millis.saturating_add(other.millis);
    }
}

impl Tally {
    /// Calls that were no repetition: each is one thing that was wanted.
    pub const fn begun(&self) -> u64 {
        let first = self.calls.saturating_sub(self.retries);
        // What began before the minutes that are looked at may end within them.
        if first > self.failures { first } else { self.failures }
    }

    /// How many of them failed, in percent.
    pub const fn failed_percent(&self) -> u64 {
        match self.failures.saturating_mul(100).checked_div(self.begun()) {
            Some(percent) => percent,
            None => 0,
        }
    }

    /// How long a picture takes on average.
    pub fn mean(&self) -> Option<Duration> {
        self.millis.checked_div(self.timed).map(Duration::from_millis)
    }
}

impl Minute {
    /// The minute of `now`, in whole minutes since the epoch.
    pub fn number_of(now: DateTime<Utc>) -> u64 {
        u64::try_from(now.timestamp().div_euclid(60)).unwrap_or_default()
    }

    /// Whether it is among the last [`MINUTES`].
    pub fn is_recent(&self, now: DateTime<Utc>) -> bool {
        self.is_among(MINUTES, now)
    }

    /// Whether it is among the last `minutes`, the current one included.
    fn is_among(&self, minutes: u64, now: DateTime<Utc>) -> bool {
        let age = Self::number_of(now).checked_sub(self.number);
        age.is_some_and(|age| age < minutes)
    }
}

impl Vitals {
    /// What came of the calls in the last `minutes`.
    pub fn within(&self, minutes: u64, now: DateTime<Utc>) -> Tally {
        self.sum(|minute| minute.is_among(minutes, now))
    }

    fn sum(&self, counts: impl Fn(&Minute) -> bool) -> Tally {
        let mut sum = Tally::default();
        self.minutes.iter().filter(|minute| counts(minute)).for_each(|minute| sum += minute.tally);
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ten_minutes_are_recent_whatever_a_row_says() {
        let now = DateTime::UNIX_EPOCH + chrono::TimeDelta::minutes(100);
        let recent = |number| Minute { number, tally: Tally::default() }.is_recent(now);
        let numbers = [90, 91, 100, 101, u64::MAX];
        assert_eq!(numbers.map(recent), [false, true, true, false, false]);
    }

    #[test]
    fn what_ends_was_begun() {
        let tally = Tally { calls: 10, failures: 3, throttled: 8, retries: 6, ..Tally::default() };
        assert_eq!(tally.begun(), 4);
        assert_eq!(Tally { retries: 9, ..tally }.begun(), 3);
        assert_eq!((tally.failed_percent(), Tally::default().failed_percent()), (75, 0));
    }

    #[test]
    fn a_mean_is_one_of_those_that_were_timed() {
        let mut tally = Tally { calls: 9, timed: 2, millis: 5_000, ..Tally::default() };
        tally += Tally { calls: 1, timed: 1, millis: 4_000, ..Tally::default() };
        assert_eq!(tally.mean(), Some(Duration::from_secs(3)));
        assert_eq!(Tally { calls: 9, ..Tally::default() }.mean(), None);
    }
}
