//! Ops may leave a gate out for a while, and say why.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::verdict::Gate;

/// No waiver lasts longer: what is to hold for good is a changed gate.
pub const LONGEST: TimeDelta = TimeDelta::days(30);

/// A gate that does not count until `until`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    pub gate: Gate,
    pub reason: String,
    /// Who took it upon themselves.
    pub by: String,
    pub at: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// Why there is no waiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaiverError {
    #[error("say why: the reason is kept")]
    Reason,
    #[error("a waiver ends later than now, and within 30 days")]
    Expiry,
}

impl Waiver {
    pub fn new(
        gate: Gate,
        reason: &str,
        by: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Self, WaiverError> {
        if reason.trim().is_empty() {
            return Err(WaiverError::Reason);
        }
        if until <= now || until - now > LONGEST {
            return Err(WaiverError::Expiry);
        }
        let (reason, by) = (reason.trim().to_owned(), by.to_owned());
        Ok(Self { gate, reason, by, at: now, until })
    }

    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        self.at <= now && now < self.until
    }
}
