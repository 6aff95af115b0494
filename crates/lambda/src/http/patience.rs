//! When to ask again.

use chrono::{DateTime, TimeDelta, Utc};
use tryon_core::{lane::Lane, render::Render};

/// How long a lane's renders usually take, and how often they may be asked after, in seconds.
#[derive(Clone, Copy, Debug)]
struct Pace {
    expected: i64,
    least: i64,
    most: i64,
}

const fn pace(lane: Lane) -> Pace {
    match lane {
        Lane::Online => Pace { expected: 20, least: 2, most: 10 },
        Lane::Batch => Pace { expected: 150, least: 15, most: 60 },
    }
}

/// In how many seconds to ask after a render again; none where it has ended.
pub(super) fn ask_again_in(render: &Render, now: DateTime<Utc>) -> Option<i64> {
    (!render.is_ended()).then(|| wait(render.lane, now - render.accepted_at))
}

/// The time that is left to the expected one; less and less often once that is over.
fn wait(lane: Lane, age: TimeDelta) -> i64 {
    let Pace { expected, least, most } = pace(lane);
    let left = expected.saturating_sub(age.num_seconds());
    let wait = if left > 0 { left } else { left.saturating_neg() / 8 };
    wait.clamp(least, most)
}

/// The whole seconds until `at`, one at least.
pub(super) fn seconds_until(at: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    let left = at - now;
    let begun = i64::from(left.subsec_nanos() > 0);
    left.num_seconds().saturating_add(begun).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(lane: Lane, seconds: i64) -> i64 {
        wait(lane, TimeDelta::seconds(seconds))
    }

    #[test]
    fn follows_the_expected_time() {
        assert_eq!(
            [0, 9, 12, 15, 19, 30, 60, 600].map(|age| after(Lane::Online, age)),
            [10, 10, 8, 5, 2, 2, 5, 10]
        );
        assert_eq!(
            [0, 100, 140, 150, 400, 86_400].map(|age| after(Lane::Batch, age)),
            [60, 50, 15, 15, 31, 60]
        );
    }

    #[test]
    fn a_part_of_a_second_is_waited_for() {
        let now = DateTime::UNIX_EPOCH;
        let until = |millis| seconds_until(now + TimeDelta::milliseconds(millis), now);
        assert_eq!([-5_000, 0, 1, 1_000, 1_001].map(until), [1, 1, 1, 1, 2]);
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds(age in any::<i64>()) {
            let age = TimeDelta::milliseconds(age.max(-i64::MAX));
            prop_assert!((2..=10).contains(&wait(Lane::Online, age)));
            prop_assert!((15..=60).contains(&wait(Lane::Batch, age)));
        }

        #[test]
        fn never_overshoots_the_expected_time(age in 0..20_i64, batch_age in 0..150_i64) {
            prop_assert!(after(Lane::Online, age) <= (20 - age).max(2));
            prop_assert!(after(Lane::Batch, batch_age) <= (150 - batch_age).max(15));
        }
    }
}
