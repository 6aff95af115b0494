//! How fast a backend that asks for patience may be called: by what every instance counted together.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{MINUTES, Vitals};

/// How many times a thing is tried in quick succession, the first included, as Google documents.
pub const TRIES: u32 = 5;
/// How far back a request to slow down counts.
const PATIENCE_MINUTES: u64 = 2;
/// So many calls are taken to have gone well, so that a single one is not taken for a storm.
const BENEFIT_OF_DOUBT: u64 = 4;
/// How long a call is held back where every one is throttled.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Repetitions that are always allowed, so that a quiet hour may try again at all.
const FREE_RETRIES: u64 = 10;
/// How many calls may be repetitions, as a share of those that were not.
const RETRY_PERCENT: u64 = 20;

impl Vitals {
    /// How long to wait before the next call: in proportion to the calls that were throttled lately.
    /// `jitter` is any random number; it spreads the waiters over the second half of the wait.
    pub fn pause(&self, now: DateTime<Utc>, jitter: u64) -> Duration {
        let tally = self.within(PATIENCE_MINUTES, now);
        let throttled = tally.throttled.min(tally.calls);
        let all = tally.calls.saturating_add(BENEFIT_OF_DOUBT);
        let most = u128::from(throttled) * LONGEST_PAUSE.as_millis() / u128::from(all);
        let spread = most / 2 * u128::from(jitter % 1_024) / 1_023;
        Duration::from_millis(u64::try_from(most / 2 + spread).unwrap_or_default())
    }

    /// Whether one more repetition is allowed: they are a bounded share of all calls, so that a storm
    /// is not made worse by those whom it met.
    pub fn may_repeat(&self, now: DateTime<Utc>) -> bool {
        let tally = self.within(MINUTES, now);
        let first = tally.calls.saturating_sub(tally.retries);
        tally.retries < FREE_RETRIES + first.saturating_mul(RETRY_PERCENT) / 100
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vitals::{Minute, Tally};

    fn vitals(tally: Tally) -> Vitals {
        let minutes = vec![Minute { number: Minute::number_of(now()), tally }];
        Vitals { minutes, ..Vitals::default() }
    }

    fn now() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::TimeDelta::minutes(100)
    }

    #[test]
    fn a_storm_holds_calls_back_and_its_end_lets_them_go() {
        let of = |calls, throttled| {
            vitals(Tally { calls, throttled, ..Tally::default() }).pause(now(), 1_023)
        };
        assert_eq!(of(100, 0), Duration::ZERO);
        assert_eq!(of(1, 1), Duration::from_secs(4));
        assert!(of(1_000, 1_000) > Duration::from_secs(19));
        assert!(of(1_000, 50) < Duration::from_secs(1));
        let storm = vitals(Tally { calls: 9, throttled: 9, ..Tally::default() });
        let later = now() + chrono::TimeDelta::minutes(2);
        assert_eq!(storm.pause(later, 5), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn a_pause_is_bounded_and_grows_with_what_was_throttled(
            calls in 0..10_000u64, throttled in 0..10_000u64, jitter: u64,
        ) {
            let pause = |throttled| {
                vitals(Tally { calls, throttled, ..Tally::default() }).pause(now(), jitter)
            };
            prop_assert!(pause(throttled) <= LONGEST_PAUSE);
            prop_assert!(pause(throttled) <= pause(throttled + 1));
        }

        #[test]
        fn repetitions_stay_a_share_of_what_was_wanted(wants in prop::collection::vec(0..4u32, 0..400)) {
            // Each wish is one call and as many repetitions as it likes and is allowed.
            let mut tally = Tally::default();
            for repetitions in wants {
                tally.calls += 1;
                for _ in 0..repetitions {
                    if vitals(tally).may_repeat(now()) {
                        tally.calls += 1;
                        tally.retries += 1;
                    }
                }
            }
            let first = tally.calls - tally.retries;
            prop_assert!(tally.retries <= FREE_RETRIES + first * RETRY_PERCENT / 100);
        }
    }
}
