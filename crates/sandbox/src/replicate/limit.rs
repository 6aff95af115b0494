//! How often an account may call.

use std::sync::Mutex;

use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderValue;

use crate::shelf::lock;

/// So many calls at once, and one more each time that `every` has passed.
#[derive(Debug)]
pub(super) struct Limit {
    every: TimeDelta,
    burst: i32,
    /// When everything that was taken will have come back.
    whole: Mutex<DateTime<Utc>>,
}

impl Limit {
    pub(super) fn new(every: TimeDelta, burst: i32) -> Self {
        Self { every, burst, whole: Mutex::new(DateTime::UNIX_EPOCH) }
    }

    /// Takes a call, or says after how many seconds one may come.
    pub(super) fn take(&self, now: DateTime<Utc>) -> Result<(), u64> {
        let mut whole = lock(&self.whole);
        let then = (*whole).max(now) + self.every;
        let late = then - now - self.every * self.burst;
        if late > TimeDelta::zero() {
            let seconds = late.num_milliseconds().unsigned_abs().div_ceil(1_000);
            return Err(seconds.max(1));
        }
        *whole = then;
        Ok(())
    }

    /// Tells the caller what is left.
    pub(super) fn tell(&self, response: &mut Response, now: DateTime<Utc>) {
        let owed = (*lock(&self.whole) - now).max(TimeDelta::zero());
        let every = self.every.num_milliseconds().max(1);
        let taken = (owed.num_milliseconds() + every - 1) / every;
        let left = (i64::from(self.burst) - taken).max(0);
        let headers = response.headers_mut();
        headers.insert("ratelimit-remaining", HeaderValue::from(left));
        let reset = owed.num_seconds().max(1);
        headers.insert("ratelimit-reset", HeaderValue::from(reset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let limit = Limit::new(TimeDelta::seconds(10), 2);
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let taken = [0, 0, 0, 9, 10, 10, 40, 40, 40].map(|second| limit.take(at(second)));
        let no = Err;
        assert_eq!(taken, [Ok(()), Ok(()), no(10), no(1), Ok(()), no(10), Ok(()), Ok(()), no(10)]);
    }
}
