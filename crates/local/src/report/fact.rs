//! What is remembered of a run: a few words a row, whatever its length.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use tryon_core::{
    attempt::{Attempt, AttemptState},
    batch::{Batch, BatchStatus, Seal},
    budget::{Account, Balance},
    catalogue::Quality,
    chain::{Fidelity, Step},
    ids::AttemptId,
    lane::Lane,
    money::Micros,
    picture::PictureRef,
    render::{Render, RenderStatus},
    routing::Route,
};

/// What was left behind by a run.
#[derive(Debug, Default)]
pub struct Facts {
    /// In the order in which they were accepted.
    pub renders: Vec<RenderFact>,
    /// In the order in which they were opened.
    pub batches: Vec<BatchFact>,
    /// Whose money went where.
    pub accounts: BTreeMap<Account, AccountFact>,
    /// What went wrong on purpose, and how often it was seen.
    pub mishaps: Vec<(&'static str, u64)>,
}

/// One account.
#[derive(Debug, Default)]
pub struct AccountFact {
    /// Summed over its days.
    pub balance: Balance,
    pub daily_budget: Micros,
    /// Summed over the outcomes of all attempts.
    pub settled_by_attempts: Micros,
}

/// One render.
#[derive(Debug)]
pub struct RenderFact {
    pub accepted_at: DateTime<Utc>,
    /// What the hash said.
    pub route: Route,
    pub lane: Lane,
    pub quality: Quality,
    /// Its status, or why it failed.
    pub outcome: &'static str,
    pub picture: Option<PictureRef>,
    /// The step that made the picture; what enlarged it does not count.
    pub made_by: Option<Step>,
    pub fidelity: Option<Fidelity>,
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
        let source = render.interim.as_ref().map(|interim| interim.picture.key.clone());
        let (picture, fidelity) = match render.status {
            RenderStatus::Succeeded { picture, fidelity, .. } => (Some(picture), Some(fidelity)),
            _ => (None, None),
        };
        let made_by =
            picture.as_ref().and_then(|picture| step_of(source.as_ref().unwrap_or(&picture.key)));
        Self {
            accepted_at: render.accepted_at,
            route: render.assigned,
            lane: render.lane,
            quality: render.request.quality,
            outcome,
            picture,
            made_by,
            fidelity,
            took: ended_at.map(|at| at - render.accepted_at),
            deadline: render.deadline_at - render.accepted_at,
            cost,
        }
    }
}

/// The step whose attempt kept a picture under this key.
fn step_of(key: &str) -> Option<Step> {
    AttemptId::from(key.strip_prefix("out/")?).step()
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
                let account = self.accounts.entry(attempt.account).or_default();
                account.settled_by_attempts += outcomes.iter().map(|outcome| outcome.cost).sum();
            }
        }
    }

    /// Puts the rows into the order of their times.
    pub fn sort(&mut self) {
        self.renders.sort_by_key(|render| render.accepted_at);
        self.batches.sort_by_key(|batch| batch.opened_at);
    }
}
