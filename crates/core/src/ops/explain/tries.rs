//! The tries of a render, and the batches that it joined, a line each.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Facts;
use crate::{
    attempt::{Attempt, AttemptState},
    batch::{Batch, SealReason},
    catalogue::Backend,
    chain::Step,
    ids::{AttemptId, BatchId},
    lane::Lane,
    money::Micros,
    outcome::{Outcome, RenderOutcome},
    render::Render,
};

/// One paid try, as far as it was for the render.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    pub attempt_id: AttemptId,
    pub step: Step,
    pub lane: Lane,
    pub backend: Backend,
    pub model: String,
    /// How far it came, such as `submitted` or `never_bought (unfunded)`.
    pub state: String,
    /// What it gave the render: `image`, `refused`, or the class of its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Micro-dollars for this render: the most that it could cost, and what it did.
    pub reserved: Micros,
    pub cost: Micros,
    /// How often it was put off.
    pub waits: u32,
    /// Bought beside a batch that was not done in time.
    pub rescue: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
}

/// A batch that the render joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    pub batch_id: BatchId,
    pub status: String,
    pub renders: usize,
    pub opened_at: DateTime<Utc>,
    pub seal_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal_reason: Option<SealReason>,
    /// What would have sealed it by the knobs of now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal_derived: Option<SealReason>,
}

impl Try {
    pub(super) fn of(attempt: &Attempt, render: &Render) -> Self {
        let share = attempt.shares.iter().find(|share| share.render_id == render.id);
        let outcome = outcome_of(attempt, render);
        Self {
            attempt_id: attempt.id.clone(),
            step: attempt.step,
            lane: attempt.lane,
            backend: attempt.backend,
            model: attempt.model.clone(),
            state: state(&attempt.state),
            reserved: share.map(|share| share.maximum).unwrap_or_default(),
            cost: outcome.as_ref().map(|outcome| outcome.cost).unwrap_or_default(),
            outcome: outcome.map(|outcome| word(&outcome.outcome).to_owned()),
            waits: attempt.waits,
            rescue: attempt.rescue.is_some(),
            ended_at: attempt.ended_at(),
        }
    }
}

/// In which order tries were made: by step, then by number; what a batch bought before what was
/// bought alone.
pub(super) fn order_of(attempt: &Try) -> (Step, u32, bool, AttemptId) {
    let number = attempt.attempt_id.as_str().rsplit('/').next().and_then(|n| n.parse().ok());
    let alone = attempt.lane == Lane::Online;
    (attempt.step, number.unwrap_or_default(), alone, attempt.attempt_id.clone())
}

/// What the attempt says it gave the render.
pub(super) fn outcome_of(attempt: &Attempt, render: &Render) -> Option<RenderOutcome> {
    attempt.outcomes()?.into_iter().find(|outcome| outcome.render_id == render.id)
}

const fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Image { .. } => "image",
        Outcome::Refused => "refused",
        Outcome::Failed { class } => class.as_str(),
    }
}

fn state(state: &AttemptState) -> String {
    match state {
        AttemptState::Claimed { .. } => "claimed".to_owned(),
        AttemptState::Waiting { why, .. } => format!("waiting ({why:?})").to_lowercase(),
        AttemptState::Sending { .. } => "sending".to_owned(),
        AttemptState::Submitted { job, .. } => format!("submitted ({job})"),
        AttemptState::Held { .. } => "held".to_owned(),
        AttemptState::Settled { .. } => "settled".to_owned(),
        AttemptState::NeverBought { why, .. } => format!("never_bought ({why:?})").to_lowercase(),
    }
}

impl Joined {
    pub(super) fn of(batch: &Batch, facts: &Facts<'_>) -> Self {
        Self {
            batch_id: batch.id.clone(),
            status: batch.status.as_str().to_owned(),
            renders: batch.orders.len(),
            opened_at: batch.opened_at,
            seal_at: batch.seal_at,
            sealed_at: batch.sealed.map(|seal| seal.at),
            seal_reason: batch.sealed.map(|seal| seal.reason),
            seal_derived: seal_of(batch, facts.max_batch_size),
        }
    }
}

/// What sealed a batch, as it follows from its row: the count where it is full, else the time where
/// that had come, else the bytes of the render that found no room.
pub(super) fn seal_of(batch: &Batch, max_batch_size: usize) -> Option<SealReason> {
    let seal = batch.sealed?;
    Some(if batch.orders.len() >= max_batch_size {
        SealReason::Count
    } else if seal.at >= batch.seal_at {
        SealReason::Time
    } else {
        SealReason::Bytes
    })
}
