use async_trait::async_trait;

use super::PortError;

/// What lies in the place of the built-in catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Override {
    /// Nothing, as a rule.
    Absent,
    /// The version that the asker knows.
    Same,
    New {
        text: String,
        version: String,
    },
}

/// Where ops put a catalogue in place of the built-in one.
#[async_trait]
pub trait CatalogueStore: Send + Sync + std::fmt::Debug {
    /// What lies there; not read again while it is the version `known`.
    async fn read(&self, known: Option<&str>) -> Result<Override, PortError>;
}
