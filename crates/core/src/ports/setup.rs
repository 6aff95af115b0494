use std::fmt;

use async_trait::async_trait;

use super::PortError;

/// The shape of the database.
#[async_trait]
pub trait Schema: Send + Sync + fmt::Debug {
    /// Brings it up to what this release needs; does nothing where it is there already. Safe to run
    /// twice, and at once.
    async fn migrate(&self) -> Result<(), PortError>;
}

/// Where the knobs are kept.
#[async_trait]
pub trait KnobStore: Send + Sync + fmt::Debug {
    /// Creates the knob with this text where it does not exist; whether it did. What ops set is never
    /// replaced.
    async fn create(&self, name: &str, text: &str) -> Result<bool, PortError>;
}
