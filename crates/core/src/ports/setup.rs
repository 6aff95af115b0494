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

/// Turning knobs while the system runs.
#[async_trait]
pub trait Knobs: Send + Sync + fmt::Debug {
    /// Gives the knob this text, be it there or not. It is in force once caches have run out.
    async fn turn(&self, name: &str, text: &str) -> Result<(), PortError>;
}
