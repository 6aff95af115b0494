//! Asking after a prediction, and bringing its picture home.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join;

use super::{
    Replicate,
    health::{Caller, sign_of_outcome},
};
use crate::{
    attempt::{Attempt, AttemptState},
    ids::{AttemptId, JobName},
    messages::ToReplicate,
    money::Micros,
    outcome::{FailClass, Outcome, RenderOutcome},
    polling::{Allowance, slowed},
    ports::{CallError, Prediction, PredictionPhase},
    stages::{Invocation, StageError, buyer::model_of},
    vitals::Sign,
};

/// How long past its time a prediction that was told to stop may still run.
const LAST_WORD: TimeDelta = TimeDelta::seconds(30);
/// The provider ends a prediction that runs for 30 minutes: by then it surely has, waiting included.
const JOB_LIFE: TimeDelta = TimeDelta::hours(2);

/// How long the provider keeps what a prediction made.
const KEPT: TimeDelta = TimeDelta::hours(1);

/// What a question after a prediction brought.
#[derive(Default)]
pub(super) struct Look {
    /// What it came to, if it has an end.
    pub(super) ended: Option<Prediction>,
    allowance: Option<Allowance>,
}

impl Replicate {
    pub(super) async fn poll(
        &self,
        id: &AttemptId,
        seq: u32,
        call: &Invocation,
    ) -> Result<(), StageError> {
        let attempt = self.buyer.attempt(id).await?;
        let AttemptState::Submitted { ref job, since, seq: expected, .. } = attempt.state else {
            return self.resolve(attempt, call).await;
        };
        if seq < expected {
            return Ok(());
        }
        let Look { ended, allowance } = self.look_at(&attempt, job).await;
        if let Some(prediction) = ended {
            return self.finish(attempt, prediction, call).await;
        }
        if self.buyer.clock.now() >= self.time_is_over(&attempt, since) {
            self.stop(&attempt.id, job).await;
        }
        self.wait_on(attempt, since, allowance).await
    }

    /// Asked after again while its time lasts; then its render goes on without it.
    async fn wait_on(
        &self,
        attempt: Attempt,
        since: DateTime<Utc>,
        allowance: Option<Allowance>,
    ) -> Result<(), StageError> {
        let now = self.buyer.clock.now();
        if now < self.time_is_over(&attempt, since) + LAST_WORD {
            return self.poll_again(attempt, allowance).await;
        }
        tracing::warn!(attempt = %attempt.id, "a prediction gave nothing in time");
        let caller = Caller::of(&attempt);
        let held = self.buyer.commit(attempt.abandoned(now)).await?;
        join(self.buyer.tell(held), self.count(caller, Sign::Failed, None)).await.0
    }

    pub(super) async fn look_at(&self, attempt: &Attempt, job: &JobName) -> Look {
        match self.predictions.status(job).await {
            Ok(Prediction {
                phase:
                    PredictionPhase::Starting | PredictionPhase::Running | PredictionPhase::Unrecognised,
                allowance,
                ..
            }) => Look { ended: None, allowance },
            Ok(ended) => Look { allowance: ended.allowance, ended: Some(ended) },
            Err(error) => {
                tracing::warn!(%job, %error, "a prediction could not be asked after");
                if matches!(error, CallError::Rejected { class: FailClass::Account, .. }) {
                    self.refused(attempt).await;
                }
                Look { ended: None, allowance: used_up(&error) }
            }
        }
    }

    /// When the step's turn is over, or the time that its model may take.
    fn time_is_over(&self, attempt: &Attempt, since: DateTime<Utc>) -> DateTime<Utc> {
        let catalogue = self.buyer.catalogue.now();
        let model = catalogue.prediction(attempt.step);
        let longest = model.map_or(JOB_LIFE, |model| TimeDelta::seconds(model.max_seconds.into()));
        let by_model = since + longest;
        attempt.run_until.map_or(by_model, |run_until| run_until.min(by_model))
    }

    /// Sends the next tick, then moves the sequence on: a crash between leaves two harmless ticks.
    async fn poll_again(
        &self,
        attempt: Attempt,
        allowance: Option<Allowance>,
    ) -> Result<(), StageError> {
        let AttemptState::Submitted { seq, .. } = attempt.state else {
            return Ok(());
        };
        let delay = slowed(attempt.poll_delay(seq + 1), allowance);
        let tick = ToReplicate::Poll { attempt_id: attempt.id.clone(), seq: seq + 1 };
        self.send_tick(&tick, delay).await?;
        let next = self.buyer.clock.now() + TimeDelta::seconds(delay.into());
        self.buyer.commit(attempt.polled(true, next)).await.map(drop)
    }

    /// Settles what a prediction came to; its picture is brought home first.
    pub(super) async fn finish(
        &self,
        attempt: Attempt,
        prediction: Prediction,
        call: &Invocation,
    ) -> Result<(), StageError> {
        let AttemptState::Submitted { since, .. } = attempt.state else {
            return Ok(());
        };
        let share = &attempt.shares[0];
        let catalogue = self.buyer.catalogue.now();
        let model = model_of(&catalogue, attempt.step)?;
        let bill = |pictures| model.bill(pictures, prediction.run).unwrap_or(share.maximum);
        let failed = |class| Outcome::Failed { class };
        let kept_until = prediction.ended.unwrap_or(since) + KEPT;
        let (outcome, cost) = match &prediction.phase {
            PredictionPhase::Succeeded { pictures } => match pictures.first() {
                None => (failed(FailClass::NoImage), bill(0)),
                Some(address) => match self.bring_home(&attempt, address, call).await {
                    Ok(outcome) => (outcome, bill(pictures.len())),
                    // Once more later, while the provider keeps it.
                    Err(error) if self.buyer.clock.now() < kept_until => {
                        tracing::warn!(attempt = %attempt.id, %error, "a picture did not arrive");
                        return self.wait_on(attempt, since, prediction.allowance).await;
                    }
                    Err(_) => (failed(FailClass::Missing), bill(pictures.len())),
                },
            },
            // It was made and is paid for.
            PredictionPhase::Gone => (failed(FailClass::Missing), bill(1)),
            PredictionPhase::Refused => (Outcome::Refused, bill(0)),
            PredictionPhase::Failed(class) => (failed(*class), bill(0)),
            PredictionPhase::Cancelled => (failed(FailClass::Cancelled), bill(0)),
            PredictionPhase::Aborted => (failed(FailClass::Cancelled), Micros::ZERO),
            PredictionPhase::Starting
            | PredictionPhase::Running
            | PredictionPhase::Unrecognised => {
                return self.poll_again(attempt, prediction.allowance).await;
            }
        };
        let now = self.buyer.clock.now();
        // The provider counts from the create, we from its answer.
        let in_time = now + LAST_WORD < self.time_is_over(&attempt, since);
        let sign = sign_of_outcome(&outcome, in_time);
        let took = prediction.took.filter(|_| matches!(outcome, Outcome::Image { .. }));
        let caller = Caller::of(&attempt);
        let outcome = RenderOutcome { render_id: share.render_id.clone(), outcome, cost };
        let settled = self.buyer.commit(attempt.settled(vec![outcome], now)).await?;
        let counted = async {
            match sign {
                Some(sign) => self.count(caller, sign, took).await,
                None => self.leave_to_another(caller).await,
            }
        };
        join(self.buyer.tell(settled), counted).await.0
    }

    /// An error means: not now.
    async fn bring_home(
        &self,
        attempt: &Attempt,
        address: &str,
        call: &Invocation,
    ) -> Result<Outcome, CallError> {
        let picture = match self.predictions.picture(address).await {
            Ok(picture) => picture,
            Err(CallError::Rejected { class, reason }) => {
                tracing::warn!(attempt = %attempt.id, reason, "a picture is gone, or is none");
                return Ok(Outcome::Failed { class });
            }
            Err(error) => return Err(error),
        };
        let render = &attempt.shares[0].render_id;
        let kept = self.buyer.keep(&attempt.id, render, &picture, call).await;
        let kept = kept.ok_or_else(|| CallError::NotCreated {
            reason: "it could not be stored".to_owned(),
            retry_after: None,
            ours: true,
        })?;
        let catalogue = self.buyer.catalogue.now();
        let model = catalogue.prediction(attempt.step);
        Ok(Outcome::Image {
            picture: kept,
            fidelity: attempt.step.fidelity(),
            size: model.map_or(crate::catalogue::Size::OneK, |model| model.size),
        })
    }
}

/// What a refusal to answer says of the calls that are left.
fn used_up(error: &CallError) -> Option<Allowance> {
    match error {
        CallError::NotCreated { retry_after: Some(reset), .. } => {
            Some(Allowance { calls: 0, reset: *reset })
        }
        _ => None,
    }
}
