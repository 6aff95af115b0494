use std::fmt;

use async_trait::async_trait;

use super::PortError;

/// What the system writes for ops to read, beside the knobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatusName {
    /// How the day's money stands.
    Budget,
    /// What the rollout found.
    Rollout,
}

impl StatusName {
    /// Below `/garmaxai/gemini/${Stage}/`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget-status",
            Self::Rollout => "rollout-status",
        }
    }
}

/// Where the system writes how it stands.
#[async_trait]
pub trait StatusBoard: Send + Sync + fmt::Debug {
    /// Replaces the status; at most 4 KB of text.
    async fn post(&self, name: StatusName, text: &str) -> Result<(), PortError>;
    /// What was posted last.
    async fn read(&self, name: StatusName) -> Result<Option<String>, PortError>;
}
