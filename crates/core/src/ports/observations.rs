use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::PortError;
use crate::gates::Tally;

/// The most renders that one look counts: a month of 10,000 a day. Of more, the newest.
pub const MOST_OBSERVED: usize = 300_000;

/// What the gates see of renders and their ratings.
#[async_trait]
pub trait Observations: Send + Sync + fmt::Debug {
    /// Adds the renders that were accepted at `since` or later to the tally, the newest first.
    async fn observe(&self, since: DateTime<Utc>, tally: Tally) -> Result<Tally, PortError>;
}
