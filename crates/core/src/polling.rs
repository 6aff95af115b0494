//! When to ask again: batch jobs are polled adaptively, and ticks are delayed messages.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The longest delay a queue message can carry, and the grain of all delays: whole seconds.
pub const MAX_DELAY_SECONDS: u32 = 900;

/// Seconds before poll `seq` (from 0) of a Google batch job: 5 s six times, 15 s four times, then
/// every 60 s. Ten polls see the first 90 s, in which a good day's job ends.
pub const fn batch_poll_delay(seq: u32) -> u32 {
    match seq {
        0..=5 => 5,
        6..=9 => 15,
        _ => 60,
    }
}

/// Seconds before poll `seq` (from 0) of a prediction: 2 s fifteen times, then every 5 s.
pub const fn prediction_poll_delay(seq: u32) -> u32 {
    if seq < 15 { 2 } else { 5 }
}

/// How many more calls an API takes until its count begins anew, and when that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub calls: u32,
    pub reset: Duration,
}

/// With fewer calls left than this, polls are slowed.
const PLENTY: u32 = 600;
/// How many times as long they take at most for that.
const SLOWEST: u32 = 6;
/// No poll waits longer for a count to begin anew, in seconds.
const LONGEST_RESET: u32 = 60;

/// Seconds before a poll that is due in `delay`, at an API that says how many more calls it takes: the
/// fewer, the longer; and where none is left, until there are some.
pub fn slowed(delay: u32, allowance: Option<Allowance>) -> u32 {
    let Some(Allowance { calls, reset }) = allowance else { return delay };
    let scarce = PLENTY.saturating_sub(calls);
    let more = u64::from(delay) * u64::from(scarce) * u64::from(SLOWEST - 1) / u64::from(PLENTY);
    let slow = delay.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
    let reset = if calls == 0 { whole_seconds(reset).min(LONGEST_RESET) } else { 0 };
    slow.max(reset).min(MAX_DELAY_SECONDS)
}

/// Seconds to wait after the `n`-th (from 1) answer that proves nothing was bought: doubling from
/// 2 s to 60 s, at least what the provider asked for. `jitter` is any random number.
pub fn backoff_seconds(n: u32, asked: Option<Duration>, jitter: u64) -> u32 {
    let base = 2_u32.saturating_pow(n.clamp(1, 6)).min(60);
    // Up to a quarter on top, so that many waiters do not come back as one.
    let spread = u32::try_from(jitter % u64::from(base / 4 + 1)).unwrap_or_default();
    let asked = asked.map_or(0, whole_seconds);
    (base + spread).max(asked).min(MAX_DELAY_SECONDS)
}

/// The delay of a message that must not arrive before `at`: whole seconds, rounded up, capped (a tick
/// that comes early sends itself again).
pub fn delay_until(now: DateTime<Utc>, at: DateTime<Utc>) -> u32 {
    let wait = (at - now).to_std().unwrap_or_default();
    whole_seconds(wait).min(MAX_DELAY_SECONDS)
}

/// Whole seconds, rounded up to the nanosecond: a tick that came early by less than a second would
/// come back at once, over and over.
fn whole_seconds(wait: Duration) -> u32 {
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_schedule() {
        let delays: Vec<u32> = (0..12).map(batch_poll_delay).collect();
        assert_eq!(delays, [5, 5, 5, 5, 5, 5, 15, 15, 15, 15, 60, 60]);
        let at = |polls: usize| delays[..polls].iter().sum::<u32>();
        assert_eq!((at(6), at(7), at(10)), (30, 45, 90));
    }

    #[test]
    fn a_tick_never_comes_back_at_once_before_its_time() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        assert_eq!(delay_until(now, now), 0);
        assert_eq!(delay_until(now, now + TimeDelta::nanoseconds(1)), 1);
        assert_eq!(delay_until(now, now + TimeDelta::days(9)), MAX_DELAY_SECONDS);
    }

    #[test]
    fn an_endless_wait_is_asked_for_again_as_late_as_can_be() {
        assert_eq!(backoff_seconds(1, Some(Duration::MAX), 0), MAX_DELAY_SECONDS);
        assert_eq!(backoff_seconds(1, Some(Duration::from_millis(7_001)), 0), 8);
    }

    #[test]
    fn an_api_that_is_nearly_used_up_is_asked_less_often() {
        let of =
            |calls, reset| slowed(2, Some(Allowance { calls, reset: Duration::from_secs(reset) }));
        assert_eq!(slowed(2, None), 2);
        assert_eq!([2_999, 600, 300, 0].map(|calls| of(calls, 1)), [2, 2, 7, 12]);
        assert_eq!((of(0, 30), of(0, 86_400), of(1, 30)), (30, 60, 11));
    }

    proptest! {
        #[test]
        fn fewer_calls_never_mean_more_haste(delay in 1..1_000u32, calls: u32, reset: u64) {
            let of = |calls| {
                slowed(delay, Some(Allowance { calls, reset: Duration::from_secs(reset) }))
            };
            prop_assert!(of(calls) >= delay.min(MAX_DELAY_SECONDS));
            prop_assert!(of(calls) >= of(calls.saturating_add(1)));
            prop_assert!(of(calls) <= (delay * SLOWEST).max(LONGEST_RESET));
        }

        #[test]
        fn backoff_is_bounded_and_obeys_the_provider(n: u32, asked in 0..600u64, jitter: u64) {
            let seconds = backoff_seconds(n, Some(Duration::from_secs(asked)), jitter);
            prop_assert!(u64::from(seconds) >= asked.max(2));
            prop_assert!(seconds <= 75.max(u32::try_from(asked).unwrap()));
        }

        #[test]
        fn delays_round_up(micros in -5_000_000..2_000_000_000i64) {
            let now = DateTime::<Utc>::UNIX_EPOCH;
            let at = now + TimeDelta::microseconds(micros);
            let delay = delay_until(now, at);
            let reached = now + TimeDelta::seconds(delay.into()) >= at;
            prop_assert!(reached || delay == MAX_DELAY_SECONDS);
            prop_assert!(delay == 0 || now + TimeDelta::seconds((delay - 1).into()) < at);
        }
    }
}
