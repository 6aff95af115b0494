//! What is remembered of a run: a few words a row, whatever its length.

use chrono::{DateTime, TimeDelta, Utc};
use tryon_core::{
    attempt::{Attempt, AttemptState},
    batch::{Batch, BatchStatus, Seal},
    budget::Balance,
    catalogue::Quality,
    lane::Lane,
    money::Micros,
    picture::PictureRef,
    render::{Render, RenderStatus},
};

/// What was left behind by a run.
#[derive(Debug, Default)]
pub struct Facts {
    /// In the order in which they were accepted.
    pub renders: Vec<RenderFact>,
    /// In the order in which they were opened.
    pub batches: Vec<BatchFact>,
    /// Summed over the outcomes of all attempts.
    pub settled_by_attempts: Micros,
    /// The Google account, summed over its days.
    pub balance: Balance,
    pub daily_budget: Micros,
    /// What went wrong on purpose, and how often it was seen.
    pub mishaps: Vec<(&'static str, u64)>,
}

/// One render.
#[derive(Debug)]
pub struct RenderFact {
    pub accepted_at: DateTime<Utc>,
    pub lane: Lane,
    pub quality: Quality,
    /// Its status, or why it failed.
    pub outcome: &'static str,
    pub picture: Option<PictureRef>,
    /// From acceptance to its end.
    pub took: Option<TimeDelta>,
    /// From acceptance to its deadline.
    pub deadline: TimeDelta,
    pub cost: Micros,
}

/// One batch.
#[derive(Debug)]
pub struct BatchFact {
    pub opened_at: DateTime<Utc>,
    pub renders: usize,
    pub seal: Option<Seal>,
    pub status: &'static str,
    pub ended_at: Option<DateTime<Utc>>,
}

impl From<Render> for RenderFact {
    fn from(render: Render) -> Self {
        let ended_at = render.status.ended_at();
        let outcome = match &render.status {
            RenderStatus::Failed { code, .. } => code.as_str(),
            status => status.as_str(),
        };
        let cost = render.cost();
        let picture = match render.status {
            RenderStatus::Succeeded { picture, .. } => Some(picture),
            _ => None,
        };
        Self {
            accepted_at: render.accepted_at,
            lane: render.lane,
            quality: render.request.quality,
            outcome,
            picture,
            took: ended_at.map(|at| at - render.accepted_at),
            deadline: render.deadline_at - render.accepted_at,
            cost,
        }
    }
}

impl From<Batch> for BatchFact {
    fn from(batch: Batch) -> Self {
        let (status, ended_at) = match batch.status {
            BatchStatus::Completed { at } => ("completed", Some(at)),
            BatchStatus::Failed { at } => ("failed", Some(at)),
            BatchStatus::Open => ("open", None),
            BatchStatus::Sealed => ("sealed", None),
            BatchStatus::Submitted { .. } => ("submitted", None),
            BatchStatus::Processing { .. } => ("processing", None),
        };
        Self {
            opened_at: batch.opened_at,
            renders: batch.orders.len(),
            seal: batch.sealed,
            status,
            ended_at,
        }
    }
}

impl Facts {
    /// Adds rows that are over.
    pub fn add(&mut self, renders: Vec<Render>, batches: Vec<Batch>, attempts: &[Attempt]) {
        self.renders.extend(renders.into_iter().map(RenderFact::from));
        self.batches.extend(batches.into_iter().map(BatchFact::from));
        for attempt in attempts {
            if let AttemptState::Settled { outcomes, .. } = &attempt.state {
                self.settled_by_attempts += outcomes.iter().map(|outcome| outcome.cost).sum();
            }
        }
    }

    /// Puts the rows into the order of their times.
    pub fn sort(&mut self) {
        self.renders.sort_by_key(|render| render.accepted_at);
        self.batches.sort_by_key(|batch| batch.opened_at);
    }
}
