//! The house on one screen.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{BudgetStatus, RolloutStatus, Standing};
use crate::{
    batch::{Batch, BatchStatus, SealReason},
    ids::{BatchId, JobName},
    lane::Lane,
    ports::Backlog,
    routing::Route,
    stages::Provider,
};

/// Everything that the next step depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpsStatus {
    pub at: DateTime<Utc>,
    /// Whether nothing calls for somebody to look.
    pub good: bool,
    pub traffic: Standing,
    /// Of the renders that were accepted since an hour ago.
    pub shares: Vec<Share>,
    pub budget: BudgetStatus,
    pub backends: Vec<BackendLine>,
    /// Batches that are open to more renders, and those with a job at Google.
    pub open_batches: u64,
    pub jobs: u64,
    pub queues: Vec<QueueLine>,
    /// What the rollout found; none where it has not looked yet.
    pub rollout: Option<RolloutStatus>,
}

/// Renders that went the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub assigned: Route,
    pub served: Route,
    pub lane: Lane,
    pub renders: u64,
    pub succeeded: u64,
    pub failed: u64,
}

/// How a backend of Google's has been answering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendLine {
    pub name: String,
    /// Its health breaker.
    pub breaker: String,
    pub failed_percent: u64,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueLine {
    pub name: String,
    pub messages: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_seconds: Option<u64>,
    pub dead: u64,
}

/// A batch that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchLine {
    pub batch_id: BatchId,
    pub model: String,
    pub status: String,
    pub renders: usize,
    pub opened_at: DateTime<Utc>,
    pub seal_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal_reason: Option<SealReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobName>,
    /// When the first of its renders is to be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_deadline: Option<DateTime<Utc>>,
    /// How often it was handed on anew because nothing was heard of it.
    pub retries: u32,
    /// Somebody should have looked after it by now.
    pub stuck: bool,
}

impl BatchLine {
    pub fn of(batch: &Batch, now: DateTime<Utc>) -> Self {
        let job = match &batch.status {
            BatchStatus::Submitted { job, .. } | BatchStatus::Processing { job, .. } => {
                Some(job.clone())
            }
            _ => None,
        };
        Self {
            batch_id: batch.id.clone(),
            model: batch.key.model.clone(),
            status: batch.status.as_str().to_owned(),
            renders: batch.orders.len(),
            opened_at: batch.opened_at,
            seal_at: batch.seal_at,
            sealed_at: batch.sealed.map(|seal| seal.at),
            seal_reason: batch.sealed.map(|seal| seal.reason),
            job,
            first_deadline: batch.orders.iter().map(|order| order.wait_until).min(),
            retries: batch.retries,
            stuck: batch.due_at.is_some_and(|at| at < now),
        }
    }
}

impl From<&Provider> for BackendLine {
    fn from(provider: &Provider) -> Self {
        let Provider { backend, gate, failed_percent } = *provider;
        let (name, breaker) = (backend.as_str().to_owned(), gate.as_str().to_owned());
        Self { name, breaker, failed_percent }
    }
}

impl From<&Backlog> for QueueLine {
    fn from(backlog: &Backlog) -> Self {
        let Backlog { queue, messages, oldest_seconds, dead } = *backlog;
        Self { name: queue.as_str().to_owned(), messages, oldest_seconds, dead }
    }
}
