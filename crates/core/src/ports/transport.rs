use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::PortError;

/// The queues of the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum QueueName {
    Accumulator,
    ImagenOnline,
    ImagenJobs,
    Replicate,
    /// The FIFO queue of the distributor.
    GeminiBatch,
}

impl QueueName {
    pub const ALL: [Self; 5] = [
        Self::Accumulator,
        Self::ImagenOnline,
        Self::ImagenJobs,
        Self::Replicate,
        Self::GeminiBatch,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accumulator => "accumulator",
            Self::ImagenOnline => "imagen-online",
            Self::ImagenJobs => "imagen-jobs",
            Self::Replicate => "replicate",
            Self::GeminiBatch => "gemini-batch.fifo",
        }
    }

    pub const fn is_fifo(self) -> bool {
        matches!(self, Self::GeminiBatch)
    }
}

/// A message on its way to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub body: String,
    /// Whole seconds up to 900; standard queues only.
    pub delay_seconds: u32,
    /// FIFO queues only, and needed there.
    pub group: Option<String>,
    /// FIFO queues only: repeats within five minutes are dropped. Absent: by the body's hash.
    pub dedup: Option<String>,
}

impl Outgoing {
    pub fn now(body: String) -> Self {
        Self { body, delay_seconds: 0, group: None, dedup: None }
    }

    pub fn delayed(body: String, delay_seconds: u32) -> Self {
        Self { delay_seconds, ..Self::now(body) }
    }

    pub fn in_group(body: String, group: String) -> Self {
        Self { group: Some(group), ..Self::now(body) }
    }
}

/// Sending to queues.
#[async_trait]
pub trait Queue: Send + Sync + std::fmt::Debug {
    /// Sends all of them, at least once each. On an error some may have been sent.
    async fn send(&self, queue: QueueName, messages: Vec<Outgoing>) -> Result<(), PortError>;
    /// Puts a message that no retry can help aside, with the reason.
    async fn reject(&self, queue: QueueName, body: String, reason: &str) -> Result<(), PortError>;
}

/// What stands in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub queue: QueueName,
    /// Messages, delayed ones and those being handled included.
    pub messages: u64,
    /// How long the oldest one that could be received has waited, in seconds.
    pub oldest_seconds: u64,
    /// Messages that were put aside.
    pub dead: u64,
}

/// Looking at queues.
#[async_trait]
pub trait Backlogs: Send + Sync + std::fmt::Debug {
    /// Every queue's.
    async fn backlogs(&self) -> Result<Vec<Backlog>, PortError>;
}

/// An event on its way to the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// `gemini.batch`, `replicate.render` or `render`.
    pub source: &'static str,
    /// The full name, such as `gemini.batch.completed`.
    pub detail_type: &'static str,
    /// JSON object.
    pub detail: String,
}

/// Publishing events.
#[async_trait]
pub trait Bus: Send + Sync + std::fmt::Debug {
    /// Publishes all of them, at least once each. On an error some may have been published.
    async fn publish(&self, events: Vec<Announcement>) -> Result<(), PortError>;
}
