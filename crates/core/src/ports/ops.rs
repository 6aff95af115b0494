use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::PortError;
use crate::{audit::AuditEntry, ids::RenderId, rating::Rating};

/// What customers think of their pictures.
#[async_trait]
pub trait Ratings: Send + Sync + fmt::Debug {
    /// Keeps a render's first rating, and answers the one that is kept; none where there is no such
    /// render.
    async fn rate(
        &self,
        render: &RenderId,
        rating: Rating,
        now: DateTime<Utc>,
    ) -> Result<Option<Rating>, PortError>;
}

/// What ops and the rollout did.
#[async_trait]
pub trait Audit: Send + Sync + fmt::Debug {
    /// Keeps the entry, whether it did: an entry whose id is there already changes nothing.
    async fn record(&self, entry: &AuditEntry) -> Result<bool, PortError>;
    /// What was done at `since` or later, the newest first, at most `most`. Entries of a kind that a
    /// newer release wrote are left out.
    async fn recent(&self, since: DateTime<Utc>, most: usize)
    -> Result<Vec<AuditEntry>, PortError>;
    /// The same of these [kinds](crate::audit::Act::kind) alone.
    async fn acts(
        &self,
        kinds: &[&str],
        since: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<AuditEntry>, PortError>;
}
