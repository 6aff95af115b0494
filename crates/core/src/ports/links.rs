use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::PortError;
use crate::{ids::AttemptId, picture::Mime};

/// Addresses that are capabilities in themselves: whoever has one may read or write that one object
/// until it expires.
#[async_trait]
pub trait Links: Send + Sync + fmt::Debug {
    /// An address to read `key` at until `expires`. `attempt` rides along as a signed parameter that
    /// the store ignores.
    async fn read(
        &self,
        key: &str,
        expires: DateTime<Utc>,
        attempt: Option<&AttemptId>,
    ) -> Result<String, PortError>;
    /// Where to put an object of exactly this type and length until `expires`, once: an object that is
    /// there already is never replaced.
    async fn write(
        &self,
        key: &str,
        mime: Mime,
        bytes: u64,
        expires: DateTime<Utc>,
    ) -> Result<UploadLink, PortError>;
}

/// A signed `PUT`.
#[derive(Clone, PartialEq, Eq)]
pub struct UploadLink {
    pub url: String,
    /// Headers that are part of the signature and must be sent as they stand.
    pub headers: Vec<(&'static str, String)>,
}

impl fmt::Debug for UploadLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadLink(..)")
    }
}
