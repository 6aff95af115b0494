use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::PortError;
use crate::{
    catalogue::Backend,
    vitals::{Tally, Vitals},
};

/// How the backends have been answering.
#[async_trait]
pub trait ProviderHealth: Send + Sync + std::fmt::Debug {
    /// Adds calls to the minute of `now`. A count, not an account: a lost acknowledgement may count
    /// twice, and what comes minutes late is left out.
    async fn record(
        &self,
        backend: Backend,
        now: DateTime<Utc>,
        tally: Tally,
    ) -> Result<(), PortError>;
    /// What is known at `now`; the default where nothing is.
    async fn read(&self, backend: Backend, now: DateTime<Utc>) -> Result<Vitals, PortError>;
    /// Stores breaker and probe if the row still has `version`, which becomes one more.
    async fn change(&self, backend: Backend, vitals: &Vitals) -> Result<bool, PortError>;
}
