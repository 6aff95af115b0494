//! Telling what became of an attempt: published, then marked, so that it is told at least once.

use chrono::{DateTime, Utc};

use super::Buyer;
use crate::{
    attempt::{Attempt, AttemptState},
    catalogue::Backend,
    ids::AttemptId,
    messages::{AttemptEvent, AttemptEventKind, PipelineEvent, encode},
    outcome::{Outcome, RenderOutcome},
    ports::{Announcement, Written},
    stages::StageError,
};

impl Buyer {
    /// Publishes the attempt's end and marks it told. Does nothing where it is told, or not ended.
    pub(in crate::stages) async fn tell(&self, attempt: Attempt) -> Result<(), StageError> {
        if attempt.announced { Ok(()) } else { self.tell_again(attempt).await }
    }

    /// Publishes the attempt's end, told before or not: somebody asked, so somebody may have missed it.
    pub(in crate::stages) async fn tell_again(&self, attempt: Attempt) -> Result<(), StageError> {
        let Some((at, outcomes)) = attempt.ended_at().zip(attempt.outcomes()) else {
            return Ok(());
        };
        self.publish(&attempt, kind_of(&attempt, &outcomes), at, outcomes).await?;
        if attempt.announced {
            return Ok(());
        }
        let write = attempt.announced().map_err(StageError::retry)?;
        match self.write(&write).await? {
            // Someone else told it, or the truth came meanwhile and will be told by who found it.
            Written::Done | Written::Conflict | Written::NoHeadroom(_) => Ok(()),
        }
    }

    pub(in crate::stages) async fn republish(&self, id: &AttemptId) -> Result<(), StageError> {
        let Some(attempt) = self.attempts.get(id).await? else {
            tracing::warn!(attempt = %id, "asked after an attempt that was never made");
            return Ok(());
        };
        self.tell_again(attempt).await
    }

    pub(in crate::stages) async fn tell_progress(
        &self,
        attempt: &Attempt,
        kind: AttemptEventKind,
    ) -> Result<(), StageError> {
        let AttemptState::Submitted { since, .. } = attempt.state else {
            return Ok(());
        };
        let at = if kind == AttemptEventKind::Submitted { since } else { self.clock.now() };
        self.publish(attempt, kind, at, Vec::new()).await
    }

    async fn publish(
        &self,
        attempt: &Attempt,
        kind: AttemptEventKind,
        at: DateTime<Utc>,
        outcomes: Vec<RenderOutcome>,
    ) -> Result<(), StageError> {
        let job = match &attempt.state {
            AttemptState::Submitted { job, .. } => Some(job.clone()),
            _ => None,
        };
        let event = PipelineEvent::of(
            kind,
            AttemptEvent {
                shard: attempt.batch_id.shard(),
                batch_id: attempt.batch_id.clone(),
                attempt_id: attempt.id.clone(),
                at,
                job,
                outcomes,
            },
        );
        let announcement = Announcement {
            source: event.source(),
            detail_type: event.name(),
            detail: encode(&event).map_err(StageError::reject)?,
        };
        Ok(self.bus.publish(vec![announcement]).await?)
    }
}

/// Partial success is completion; an attempt failed where no render got an answer.
fn kind_of(attempt: &Attempt, outcomes: &[RenderOutcome]) -> AttemptEventKind {
    let answered = |outcome: &RenderOutcome| !matches!(outcome.outcome, Outcome::Failed { .. });
    match (attempt.backend == Backend::Replicate, outcomes.iter().any(answered)) {
        (false, true) => AttemptEventKind::Completed,
        (false, false) => AttemptEventKind::Failed,
        (true, true) => AttemptEventKind::PredictionCompleted,
        (true, false) => AttemptEventKind::PredictionFailed,
    }
}
