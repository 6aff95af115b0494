//! What the stages ask of the world. Small traits, one verb each where it can be, so that a
//! function's permissions can mirror the ports its stage names.

mod catalogue;
mod google;
mod health;
mod http;
mod links;
mod observations;
mod ops;
mod replicate;
mod setup;
mod status;
mod store;
mod transport;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;

pub use self::{
    catalogue::{CatalogueStore, Override},
    google::{
        Answer, BatchProvider, CallError, Finding, FindingState, GoogleCheck, JobPhase,
        OnlineProvider, ResultRow, ResultStream, RowAnswer, Uploaded,
    },
    health::ProviderHealth,
    http::{Body, HttpTransport, TransportError},
    links::{Links, UploadLink},
    observations::{MOST_OBSERVED, Observations},
    ops::{Audit, Ratings},
    replicate::{Prediction, PredictionPhase, Predictions},
    setup::{KnobStore, Knobs, Schema},
    status::{StatusBoard, StatusName},
    store::{Attempts, Batches, HourlyLimit, Inserted, Ledger, Renders, Written},
    transport::{
        Announcement, Backlog, Backlogs, Bus, MAX_BODY, Outgoing, Queue, QueueName, Redrive,
        is_sendable,
    },
};
use crate::{picture::Mime, settings::Settings};

/// Time. Timers and `now` move together, so that a paused clock moves both.
#[async_trait]
pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> DateTime<Utc>;
    async fn sleep(&self, duration: Duration);
}

/// Randomness.
pub trait Random: Send + Sync + fmt::Debug {
    fn next_u64(&self) -> u64;
}

/// Why a store, queue or other service of ours did not do its work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// May work later: throttled, unreachable, timed out, acknowledgement lost.
    #[error("{0}")]
    Unavailable(String),
    /// Will not work however often it is tried: a row that cannot be read, a refused request.
    #[error("{0}")]
    Broken(String),
}

/// The knobs in force: one read of all of them, cached for some seconds, last good values kept.
#[async_trait]
pub trait SettingsSource: Send + Sync + fmt::Debug {
    async fn settings(&self) -> Settings;
    /// The knobs past the cache, for whoever decides by them what they are to be; an error where they
    /// cannot be read.
    async fn fresh(&self) -> Result<Settings, PortError> {
        Ok(self.settings().await)
    }
}

/// Secrets by name; `fresh` reads past the cache, once a key was refused.
#[async_trait]
pub trait Secrets: Send + Sync + fmt::Debug {
    async fn secret(&self, name: SecretName, fresh: bool) -> Result<Secret, PortError>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretName {
    /// `service-account-json`
    ServiceAccount,
    /// `api-key`
    ApiKey,
    /// `/garmaxai/replicate/${Stage}/api-token`
    ReplicateToken,
    /// `database-url`
    DatabaseUrl,
}

/// A secret text; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Bytes as they come, in pieces.
pub type ByteStream = BoxStream<'static, std::io::Result<Bytes>>;

/// Pictures and files by key.
#[async_trait]
pub trait Objects: Send + Sync + fmt::Debug {
    /// Stores the bytes under `key`, replacing what was there.
    async fn put(&self, key: &str, bytes: Bytes, mime: Mime) -> Result<(), PortError>;
    /// The bytes under `key`, streamed; `None` where there is nothing.
    async fn get(&self, key: &str) -> Result<Option<ByteStream>, PortError>;
    /// What lies under `key`, with the first of its bytes, at most `most` of them.
    async fn peek(&self, key: &str, most: usize) -> Result<Option<Peek>, PortError>;
    /// Removes what lies under `key`; nothing is wrong where nothing does.
    async fn remove(&self, key: &str) -> Result<(), PortError>;
    /// Keys that begin with `prefix`, with their lengths.
    async fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, PortError>;
}

/// A look at an object.
#[derive(Clone, PartialEq, Eq)]
pub struct Peek {
    /// The length of the whole object.
    pub bytes: u64,
    /// What it begins with.
    pub first: Bytes,
}

impl fmt::Debug for Peek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peek({} of {} bytes)", self.first.len(), self.bytes)
    }
}
