use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::PortError;
use crate::{
    catalogue::Backend,
    vitals::{Subject, Tally, Vitals},
};

/// How the backends have been answering, and the models behind them.
#[async_trait]
pub trait ProviderHealth: Send + Sync + std::fmt::Debug {
    /// Adds calls to the minute of `now`. A count, not an account: a lost acknowledgement may count
    /// twice, and what comes minutes late is left out.
    async fn record(
        &self,
        subject: Subject,
        now: DateTime<Utc>,
        tally: Tally,
    ) -> Result<(), PortError>;
    /// What is known at `now`; the default where nothing is.
    async fn read(&self, subject: Subject, now: DateTime<Utc>) -> Result<Vitals, PortError>;
    /// Stores a backend's breaker and probe if the row still has `version`, which becomes one more.
    async fn change(&self, backend: Backend, vitals: &Vitals) -> Result<bool, PortError>;
}
