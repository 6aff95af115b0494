use async_trait::async_trait;
use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::PortError;
use crate::polling::MAX_DELAY_SECONDS;

/// The longest message, in bytes; also what a request with several may carry.
pub const MAX_BODY: usize = 1_024 * 1_024;
const MAX_GROUP: usize = 128;
/// The longest event, in bytes.
const MAX_EVENT: usize = 256 * 1_024;

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

    /// Refuses what `queue` would refuse, however often it is sent.
    pub fn check(&self, queue: QueueName) -> Result<(), PortError> {
        let group = self.group.as_deref().unwrap_or_default();
        let fault = if self.body.is_empty() {
            "the body is empty"
        } else if self.body.len() > MAX_BODY {
            "the body is longer than 1 MiB"
        } else if !self.body.chars().all(is_sendable) {
            "the body has a character that no queue takes"
        } else if self.delay_seconds > MAX_DELAY_SECONDS {
            "the delay is longer than 900 s"
        } else if queue.is_fifo() && self.delay_seconds > 0 {
            "a FIFO queue takes no delay"
        } else if queue.is_fifo() && !(1..=MAX_GROUP).contains(&group.len()) {
            "a FIFO queue needs a group of 1 to 128 characters"
        } else if !queue.is_fifo() && self.dedup.is_some() {
            "a standard queue takes no deduplication id"
        } else {
            return Ok(());
        };
        Err(PortError::Broken(format!("{}: {fault}", queue.as_str())))
    }
}

/// What SQS takes: the characters of XML 1.0.
pub const fn is_sendable(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
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
    /// How long the oldest one that could be received has waited, in seconds; absent where there is none
    /// and where the service does not say (SQS tells it as a metric alone).
    pub oldest_seconds: Option<u64>,
    /// Messages that were put aside.
    pub dead: u64,
}

/// Looking at queues.
#[async_trait]
pub trait Backlogs: Send + Sync + std::fmt::Debug {
    /// Every queue's.
    async fn backlogs(&self) -> Result<Vec<Backlog>, PortError>;
}

/// Bringing back what was put aside.
#[async_trait]
pub trait Redrive: Send + Sync + std::fmt::Debug {
    /// Sends everything that was put aside from `queue` there again; about how many messages those
    /// are. They may be on their way for a while.
    async fn redrive(&self, queue: QueueName) -> Result<u64, PortError>;
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

impl Announcement {
    /// Its length on the bus, in bytes.
    pub fn length(&self) -> usize {
        self.source.len() + self.detail_type.len() + self.detail.len()
    }

    /// Refuses what the bus would refuse, however often it is published.
    pub fn check(&self) -> Result<(), PortError> {
        let refused = |fault: &str| PortError::Broken(format!("{}: {fault}", self.detail_type));
        if self.length() > MAX_EVENT {
            return Err(refused("the event is longer than 256 KB"));
        }
        let is_json = serde_json::from_str::<IgnoredAny>(&self.detail).is_ok();
        if !is_json || !self.detail.trim_start().starts_with('{') {
            return Err(refused("the detail is no JSON object"));
        }
        Ok(())
    }
}

/// Publishing events.
#[async_trait]
pub trait Bus: Send + Sync + std::fmt::Debug {
    /// Publishes all of them, at least once each. On an error some may have been published.
    async fn publish(&self, events: Vec<Announcement>) -> Result<(), PortError>;
}
