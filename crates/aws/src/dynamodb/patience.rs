use std::time::Duration;

use chrono::{DateTime, Utc};
use tryon_core::ports::{Clock, Random};

/// How long a call that only met others is made anew in place, all waits together.
const MOST: Duration = Duration::from_secs(3);
const FIRST: Duration = Duration::from_millis(25);
const LONGEST: Duration = Duration::from_millis(400);

/// Waits between tries in place: each by chance up to a ceiling that doubles, so that those who met
/// do not meet again.
pub(super) struct Patience<'a> {
    clock: &'a dyn Clock,
    random: &'a dyn Random,
    since: DateTime<Utc>,
    ceiling: Duration,
}

impl<'a> Patience<'a> {
    pub(super) fn new(clock: &'a dyn Clock, random: &'a dyn Random) -> Self {
        Self { clock, random, since: clock.now(), ceiling: FIRST }
    }

    /// Waits, or says that it is at its end: `false`.
    pub(super) async fn wait(&mut self) -> bool {
        let ceiling = u64::try_from(self.ceiling.as_micros()).unwrap_or(u64::MAX);
        let pause = Duration::from_micros(self.random.next_u64() % ceiling);
        let waited = (self.clock.now() - self.since).to_std().unwrap_or_default();
        if waited + pause > MOST {
            return false;
        }
        self.clock.sleep(pause).await;
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        true
    }
}
