//! Events. `gemini.batch.*` and `replicate.render.*` tell what became of an attempt and reach the
//! distributor through the FIFO queue; `render.*` tell the shop.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::WireMessage;
use crate::{
    audit::{Act, AuditEntry},
    catalogue::Size,
    chain::Fidelity,
    gates::Gate,
    ids::{AttemptId, AuditId, BatchId, JobName, RenderId, UserId},
    outcome::RenderOutcome,
    picture::PictureRef,
    render::FailureCode,
    routing::Percent,
};

/// What the distributor is told (FIFO queue, one message group a shard).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum PipelineEvent {
    #[serde(rename = "gemini.batch.submitted")]
    Submitted(AttemptEvent),
    #[serde(rename = "gemini.batch.processing")]
    Processing(AttemptEvent),
    #[serde(rename = "gemini.batch.completed")]
    Completed(AttemptEvent),
    #[serde(rename = "gemini.batch.failed")]
    Failed(AttemptEvent),
    #[serde(rename = "replicate.render.completed")]
    PredictionCompleted(AttemptEvent),
    #[serde(rename = "replicate.render.failed")]
    PredictionFailed(AttemptEvent),
    /// Sent by the reconciler: the render's give-up time has passed.
    #[serde(rename = "render.overdue")]
    Overdue { shard: u32, render_id: RenderId },
    /// Sent by the reconciler: the render's deadline is near, and its batch is not done.
    #[serde(rename = "render.rescue")]
    Rescue { shard: u32, render_id: RenderId },
}

impl WireMessage for PipelineEvent {
    const VERSION: u32 = 1;
    const TYPES: &'static [&'static str] = &[
        "gemini.batch.submitted",
        "gemini.batch.processing",
        "gemini.batch.completed",
        "gemini.batch.failed",
        "replicate.render.completed",
        "replicate.render.failed",
        "render.overdue",
        "render.rescue",
    ];
}

/// What an event says of an attempt. A prediction is told of once, at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEventKind {
    Submitted,
    Processing,
    Completed,
    Failed,
    PredictionCompleted,
    PredictionFailed,
}

/// News of an attempt. The same news has the same bytes, so that the FIFO queue drops its repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptEvent {
    pub shard: u32,
    pub batch_id: BatchId,
    pub attempt_id: AttemptId,
    pub at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobName>,
    /// One per render, on the last event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<RenderOutcome>,
}

impl PipelineEvent {
    pub fn of(kind: AttemptEventKind, event: AttemptEvent) -> Self {
        match kind {
            AttemptEventKind::Submitted => Self::Submitted(event),
            AttemptEventKind::Processing => Self::Processing(event),
            AttemptEventKind::Completed => Self::Completed(event),
            AttemptEventKind::Failed => Self::Failed(event),
            AttemptEventKind::PredictionCompleted => Self::PredictionCompleted(event),
            AttemptEventKind::PredictionFailed => Self::PredictionFailed(event),
        }
    }

    /// The event's source on the bus.
    pub const fn source(&self) -> &'static str {
        match self {
            Self::PredictionCompleted(_) | Self::PredictionFailed(_) => "replicate.render",
            _ => "gemini.batch",
        }
    }

    /// The full name, which is also the event's detail type.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Submitted(_) => "gemini.batch.submitted",
            Self::Processing(_) => "gemini.batch.processing",
            Self::Completed(_) => "gemini.batch.completed",
            Self::Failed(_) => "gemini.batch.failed",
            Self::PredictionCompleted(_) => "replicate.render.completed",
            Self::PredictionFailed(_) => "replicate.render.failed",
            Self::Overdue { .. } => "render.overdue",
            Self::Rescue { .. } => "render.rescue",
        }
    }

    pub const fn shard(&self) -> u32 {
        match self {
            Self::Submitted(e)
            | Self::Processing(e)
            | Self::Completed(e)
            | Self::Failed(e)
            | Self::PredictionCompleted(e)
            | Self::PredictionFailed(e) => e.shard,
            Self::Overdue { shard, .. } | Self::Rescue { shard, .. } => *shard,
        }
    }
}

/// A render's one end, told to the shop (source `render`), at least once with the same `id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum RenderEnded {
    #[serde(rename = "render.completed")]
    Completed {
        id: String,
        render_id: RenderId,
        user_id: UserId,
        at: DateTime<Utc>,
        picture: PictureRef,
        fidelity: Fidelity,
        size: Size,
    },
    #[serde(rename = "render.failed")]
    Failed {
        id: String,
        render_id: RenderId,
        user_id: UserId,
        at: DateTime<Utc>,
        code: FailureCode,
    },
}

impl RenderEnded {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Completed { .. } => "render.completed",
            Self::Failed { .. } => "render.failed",
        }
    }
}

/// What the rollout did (source `rollout`), told at least once with the same `id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum RolloutMoved {
    #[serde(rename = "rollout.rolled_back")]
    RolledBack {
        id: AuditId,
        at: DateTime<Utc>,
        from: Percent,
        to: Percent,
        because: Gate,
        reason: String,
    },
    #[serde(rename = "rollout.ready")]
    Ready { id: AuditId, at: DateTime<Utc>, next: Percent, reason: String },
    #[serde(rename = "rollout.raised")]
    Raised { id: AuditId, at: DateTime<Utc>, from: Percent, to: Percent, reason: String },
}

impl RolloutMoved {
    /// None where it is nothing that the rollout did.
    pub fn of(entry: &AuditEntry) -> Option<Self> {
        let (id, at, reason) = (entry.id.clone(), entry.at, entry.reason.clone());
        match entry.act {
            Act::RolledBack { from, to, because } => {
                Some(Self::RolledBack { id, at, from, to, because, reason })
            }
            Act::Ready { next } => Some(Self::Ready { id, at, next: next.percent(), reason }),
            Act::Raised { from, to } => Some(Self::Raised { id, at, from, to, reason }),
            Act::TrafficSet { .. }
            | Act::CeilingSet { .. }
            | Act::Waived { .. }
            | Act::Forgotten
            | Act::Redriven => None,
        }
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Self::RolledBack { .. } => "rollout.rolled_back",
            Self::Ready { .. } => "rollout.ready",
            Self::Raised { .. } => "rollout.raised",
        }
    }
}

impl WireMessage for RolloutMoved {
    const VERSION: u32 = 1;
    const TYPES: &'static [&'static str] =
        &["rollout.rolled_back", "rollout.ready", "rollout.raised"];
}

impl WireMessage for RenderEnded {
    const VERSION: u32 = 1;
    const TYPES: &'static [&'static str] = &["render.completed", "render.failed"];
}
