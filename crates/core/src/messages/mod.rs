//! One type per wire message. Every message carries `v` and `type`; unknown fields are ignored, an
//! unknown version, type or word of an enum was written by a newer release and is left for it (`Retry`).

mod decode;
mod event;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::{
    decode::{DecodeError, WireMessage, decode, encode, is_newer},
    event::{AttemptEvent, AttemptEventKind, PipelineEvent, RenderEnded, RolloutMoved},
};
use crate::{
    catalogue::BatchKey,
    chain::Step,
    ids::{AttemptId, BatchId, EntryId, RenderId},
    picture::PictureRef,
    request::RenderRequest,
};

/// One render on its way to a provider: what the next room needs, pictures by reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderOrder {
    pub render_id: RenderId,
    pub step: Step,
    /// The try of the step, from 1.
    pub n: u32,
    pub entry: EntryId,
    pub request: RenderRequest,
    /// What step `upscale` enlarges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interim: Option<PictureRef>,
    /// Until when the attempt may wait for money or for the provider.
    pub wait_until: DateTime<Utc>,
    /// Until when the step may run; then the next one has its turn.
    pub run_until: DateTime<Utc>,
    /// Nothing is bought for it from here on: the render's give-up time.
    pub buy_before: DateTime<Utc>,
    /// Bought beside a batch that is not done, within the day's budget for that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rescue: bool,
    /// Goes elsewhere at once where the backend's breaker is open, rather than wait.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub diverts: bool,
}

impl RenderOrder {
    /// Length of its input pictures together.
    pub fn input_bytes(&self) -> u64 {
        self.request.pictures().map(|picture| picture.bytes).sum()
    }
}

/// To the accumulator (standard queue `accumulator`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "most are renders, and each lives for one delivery")]
pub enum ToAccumulator {
    /// A render to gather.
    Render { key: BatchKey, order: RenderOrder },
    /// A batch's seal time has come, or the batch may owe its hand-on.
    Seal { batch_id: BatchId },
}

/// To the room that talks to Google (standard queues `imagen-online` and `imagen-jobs`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToImagen {
    /// Generate one render now. `wait` counts how often the attempt had waited when this was sent.
    Online {
        attempt_id: AttemptId,
        order: RenderOrder,
        #[serde(default)]
        wait: u32,
    },
    /// Buy a sealed batch.
    Submit {
        attempt_id: AttemptId,
        batch_id: BatchId,
        key: BatchKey,
        orders: Vec<RenderOrder>,
        #[serde(default)]
        wait: u32,
    },
    /// Ask after a job; `seq` counts the polls of the attempt.
    Poll { attempt_id: AttemptId, seq: u32 },
    /// Find out what became of an attempt that stands still.
    Resolve { attempt_id: AttemptId },
    /// A render no longer waits for this attempt.
    Cancel { attempt_id: AttemptId, render_id: RenderId },
    /// Tell the end of an attempt again.
    Republish { attempt_id: AttemptId },
    /// Look whether Google can be reached; creates and buys nothing.
    Check,
}

/// To the room that talks to Replicate (standard queue `replicate`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "each lives for one delivery")]
pub enum ToReplicate {
    /// Create a prediction. `wait` counts how often the attempt had waited when this was sent.
    Start {
        attempt_id: AttemptId,
        order: RenderOrder,
        #[serde(default)]
        wait: u32,
    },
    /// Ask after a prediction; `seq` counts the polls of the attempt.
    Poll { attempt_id: AttemptId, seq: u32 },
    /// Find out what became of an attempt that stands still.
    Resolve { attempt_id: AttemptId },
    /// A render no longer waits for this attempt.
    Cancel { attempt_id: AttemptId, render_id: RenderId },
    /// Tell the end of an attempt again.
    Republish { attempt_id: AttemptId },
}

impl WireMessage for ToReplicate {
    const VERSION: u32 = 1;
    const TYPES: &'static [&'static str] = &["start", "poll", "resolve", "cancel", "republish"];
}

impl WireMessage for ToAccumulator {
    const VERSION: u32 = 1;
    const TYPES: &'static [&'static str] = &["render", "seal"];
}

impl WireMessage for ToImagen {
    const VERSION: u32 = 1;
    const TYPES: &'static [&'static str] =
        &["online", "submit", "poll", "resolve", "cancel", "republish", "check"];
}

#[cfg(test)]
mod tests;
