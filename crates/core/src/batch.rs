//! Renders gathered into one Google job: 50 images or 45 seconds, whichever comes first.

mod plan;

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::plan::{BatchPolicy, MANY_JOBS, Tick, plan_append};
use crate::{
    catalogue::BatchKey,
    chain::Step,
    ids::{AttemptId, BatchId, JobName},
    messages::RenderOrder,
    money::Micros,
    outcome::RenderOutcome,
};

/// A batch as stored: a row of `gemini_batch_jobs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    pub id: BatchId,
    /// 1 when inserted, one more with each update.
    pub version: u64,
    pub key: BatchKey,
    pub orders: Vec<RenderOrder>,
    /// Input picture bytes in all.
    pub input_bytes: u64,
    pub opened_at: DateTime<Utc>,
    /// Fixed when the batch opens.
    pub seal_at: DateTime<Utc>,
    pub sealed: Option<Seal>,
    pub status: BatchStatus,
    /// What its attempt gave for each render, once known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<RenderOutcome>,
    /// How often it was handed on anew because nothing was heard of it.
    #[serde(default)]
    pub retries: u32,
    /// Open: the seal tick is not sent for certain. Sealed: the batch is not handed on for certain.
    pub owes_send: bool,
    /// When somebody should look after it, if nobody has by then.
    pub due_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum BatchStatus {
    Open,
    Sealed,
    Submitted { job: JobName, at: DateTime<Utc> },
    Processing { job: JobName, at: DateTime<Utc> },
    Completed { at: DateTime<Utc> },
    Failed { at: DateTime<Utc> },
}

impl BatchStatus {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Sealed => "sealed",
            Self::Submitted { .. } => "submitted",
            Self::Processing { .. } => "processing",
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
        }
    }

    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Completed { .. } | Self::Failed { .. })
    }

    /// How far along: a status never goes back.
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Sealed => 1,
            Self::Submitted { .. } => 2,
            Self::Processing { .. } => 3,
            Self::Failed { .. } => 4,
            // A job that was given up may turn up after all.
            Self::Completed { .. } => 5,
        }
    }
}

/// When and why a batch was closed to further renders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    pub at: DateTime<Utc>,
    pub reason: SealReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SealReason {
    /// The last place was taken.
    Count,
    /// The seal time came.
    Time,
    /// The next render's pictures would not have fitted.
    Bytes,
}

impl SealReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Time => "time",
            Self::Bytes => "bytes",
        }
    }
}

impl fmt::Display for SealReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Batch {
    /// The attempt that buys this batch.
    pub fn attempt(&self) -> AttemptId {
        AttemptId::of(&self.id, Step::Gemini, 1)
    }

    /// What its renders cost together, as far as is known.
    pub fn cost(&self) -> Micros {
        self.outcomes.iter().map(|outcome| outcome.cost).sum()
    }

    /// Closes the batch; it then owes its hand-on.
    pub fn seal(&mut self, reason: SealReason, now: DateTime<Utc>) {
        self.status = BatchStatus::Sealed;
        self.sealed = Some(Seal { at: now, reason });
        self.owes_send = true;
        self.due_at = Some(now + plan::GRACE);
    }

    /// The owed send of the written row is done.
    pub fn sent(&mut self, now: DateTime<Utc>) {
        self.owes_send = false;
        self.due_at = match self.status {
            BatchStatus::Open => Some(self.next_tick(now) + plan::GRACE),
            // Until it is heard of; what waits for money or for Google is heard of late.
            BatchStatus::Sealed => Some(now + plan::STALL),
            _ => None,
        };
    }

    /// Nothing was heard of the batch for long: what might help, once the row is written.
    pub fn nudge(&mut self, now: DateTime<Utc>) -> Nudge {
        match self.status {
            BatchStatus::Open => {
                self.due_at = Some(now + plan::GRACE);
                Nudge::Tick
            }
            BatchStatus::Sealed => {
                self.owes_send = true;
                self.retries += 1;
                self.due_at = Some(now + plan::GRACE);
                Nudge::Tick
            }
            BatchStatus::Submitted { .. } | BatchStatus::Processing { .. } => {
                self.due_at = Some(now + plan::SILENCE);
                Nudge::Republish
            }
            BatchStatus::Completed { .. } | BatchStatus::Failed { .. } => {
                self.due_at = None;
                Nudge::Nothing
            }
        }
    }

    /// Moves on to a later status; `false` where the batch is there already or beyond.
    pub fn advance(&mut self, status: BatchStatus, now: DateTime<Utc>) -> bool {
        if status.rank() <= self.status.rank() {
            return false;
        }
        self.due_at = match status {
            BatchStatus::Completed { .. } | BatchStatus::Failed { .. } => None,
            _ => Some(now + plan::SILENCE),
        };
        self.status = status;
        self.owes_send = false;
        true
    }
}

/// What might get a batch going again that stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nudge {
    /// A seal tick: whoever gets it seals what is late and hands on what is owed.
    Tick,
    /// Its attempt's end, told again.
    Republish,
    Nothing,
}

#[cfg(test)]
mod tests;
