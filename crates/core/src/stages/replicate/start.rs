//! Creating a prediction, and finding one whose creation nobody saw the end of.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join;

use super::{Replicate, health::Caller};
use crate::{
    attempt::{Attempt, AttemptState, NeverBought},
    ids::{AttemptId, JobName},
    messages::{RenderOrder, ToReplicate},
    ports::CallError,
    stages::{
        Invocation, StageError,
        buyer::{Claim, Purchase, STOP_BEFORE, model_of},
    },
    vitals::Sign,
};

/// How long a lost create is looked for before its render goes on without it: a listing may lag.
const LOOKS: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// The provider ends a prediction after this much at the earliest.
const LEAST_TIME: TimeDelta = TimeDelta::seconds(5);
/// How long before it was found to stand still an attempt may have been sent: an invocation, the
/// wait for the reconciler, and clocks that differ.
const SENT_BEFORE: TimeDelta = TimeDelta::minutes(10);

impl Replicate {
    pub(super) async fn start(
        &self,
        attempt_id: AttemptId,
        order: RenderOrder,
        wait: u32,
        call: &Invocation,
    ) -> Result<(), StageError> {
        let catalogue = self.buyer.catalogue.now();
        let purchase = Purchase::prediction(attempt_id, order, wait, catalogue.clone())?;
        let model = model_of(&catalogue, purchase.step)?;
        let attempt = match self.buyer.claim(&purchase, call).await? {
            Claim::Ours(attempt) => attempt,
            Claim::Sent(attempt) => return self.resolve(attempt, call).await,
            Claim::Done => return Ok(()),
        };
        let now = self.buyer.clock.now();
        let order = &purchase.orders[0];
        let left = order.run_until.min(order.buy_before) - now;
        if left < LEAST_TIME {
            return self.buyer.end_unbought(attempt, NeverBought::Expired).await.map(drop);
        }
        if self.barred(&attempt).await {
            return self.turn_away(attempt, purchase).await;
        }
        let time = left.min(TimeDelta::seconds(model.max_seconds.into()));
        let time = time.to_std().unwrap_or_default();
        let attempt = self.buyer.commit(attempt.sending(now)).await?;
        match self.predictions.create(&attempt.id, order, model, time).await {
            Ok(job) => self.adopt(attempt, job).await,
            Err(CallError::Unknown(reason)) => {
                tracing::warn!(attempt = %attempt.id, reason, "a create was not answered");
                self.look(attempt, call).await
            }
            Err(error) => self.not_answered(attempt, purchase, error).await,
        }
    }

    async fn adopt(&self, attempt: Attempt, job: JobName) -> Result<(), StageError> {
        let attempt = self.buyer.commit(attempt.submitted(job, self.buyer.clock.now())).await?;
        self.first_tick(&attempt).await
    }

    async fn first_tick(&self, attempt: &Attempt) -> Result<(), StageError> {
        let tick = ToReplicate::Poll { attempt_id: attempt.id.clone(), seq: 0 };
        self.send_tick(&tick, attempt.poll_delay(0)).await
    }

    /// Looks for the prediction of a lost create, for some seconds; not found, the render goes on
    /// without it, and it is looked for again as long as it can be known.
    async fn look(&self, attempt: Attempt, call: &Invocation) -> Result<(), StageError> {
        for pause in LOOKS {
            if self.buyer.clock.now() + pause + STOP_BEFORE >= call.deadline {
                break;
            }
            self.buyer.clock.sleep(pause).await;
            if let Some(job) = self.find(&attempt).await {
                return self.adopt(attempt, job).await;
            }
        }
        let caller = Caller::of(&attempt);
        let held = self.buyer.commit(attempt.held(self.buyer.clock.now())).await?;
        join(self.buyer.tell(held), self.count(caller, Sign::Failed, None)).await.0
    }

    async fn find(&self, attempt: &Attempt) -> Option<JobName> {
        let (AttemptState::Sending { since, .. } | AttemptState::Held { since, .. }) =
            attempt.state
        else {
            return None;
        };
        match self.predictions.find(&attempt.id, since - SENT_BEFORE).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(attempt = %attempt.id, %error, "predictions could not be listed");
                None
            }
        }
    }

    /// Finds out what became of an attempt that stands still.
    pub(super) async fn resolve(
        &self,
        attempt: Attempt,
        call: &Invocation,
    ) -> Result<(), StageError> {
        let now = self.buyer.clock.now();
        match &attempt.state {
            AttemptState::Sending { lease_until, .. } if *lease_until > now => Ok(()),
            AttemptState::Sending { .. } => self.look(attempt, call).await,
            AttemptState::Submitted { seq: 0, .. } => self.first_tick(&attempt).await,
            AttemptState::Submitted { .. }
            | AttemptState::Claimed { .. }
            | AttemptState::Waiting { .. } => Ok(()),
            AttemptState::Held { .. } => self.resolve_held(attempt, call).await,
            AttemptState::Settled { .. } | AttemptState::NeverBought { .. } => {
                self.buyer.tell(attempt).await
            }
        }
    }

    /// The truth may come late; without it the money counts as spent in the end.
    async fn resolve_held(&self, attempt: Attempt, call: &Invocation) -> Result<(), StageError> {
        if let AttemptState::Held { job: Some(job), .. } = &attempt.state {
            if let Some(prediction) = self.look_at(&attempt, job).await.ended {
                let job = job.clone();
                let adopted = attempt.submitted(job, self.buyer.clock.now());
                let attempt = self.buyer.commit(adopted).await?;
                return self.finish(attempt, prediction, call).await;
            }
        } else if let Some(job) = self.find(&attempt).await {
            return self.adopt(attempt, job).await;
        }
        let now = self.buyer.clock.now();
        if let Ok(write) = attempt.clone().settle_held(now) {
            return self.buyer.tell(self.buyer.commit(Ok(write)).await?).await;
        }
        if !attempt.announced {
            return self.buyer.tell(attempt).await;
        }
        self.buyer.commit(attempt.still_held(now)).await.map(drop)
    }

    /// Nobody waits for the prediction any more. Best effort: it is polled to its end all the same.
    pub(super) async fn cancel(&self, id: &AttemptId) -> Result<(), StageError> {
        let Some(attempt) = self.buyer.attempts.get(id).await? else {
            return Ok(());
        };
        match &attempt.state {
            AttemptState::Waiting { .. } => {
                self.buyer.end_unbought(attempt, NeverBought::Expired).await.map(drop)
            }
            AttemptState::Submitted { job, .. } | AttemptState::Held { job: Some(job), .. } => {
                self.stop(&attempt.id, job).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn stop(&self, attempt: &AttemptId, job: &JobName) {
        if let Err(error) = self.predictions.cancel(job).await {
            tracing::warn!(%attempt, %error, "a prediction could not be cancelled");
        }
    }
}
