//! The Batch lane: one Google job for a sealed batch, created once, polled to its end.

use chrono::{DateTime, TimeDelta, Utc};

use futures_util::future::{join, try_join};

use super::{
    Imagen,
    fetch::{Fetched, Rest},
    health::Caller,
};
use crate::{
    attempt::{Attempt, AttemptState, NeverBought, Share},
    catalogue::Entry,
    ids::{AttemptId, JobName},
    lane::Lane,
    messages::{AttemptEventKind, RenderOrder, ToImagen, encode},
    metrics::BATCHES_STUCK,
    money::Micros,
    outcome::{FailClass, Outcome, RenderOutcome},
    ports::{CallError, JobPhase, Outgoing, QueueName, Uploaded},
    stages::{
        Invocation, StageError,
        buyer::{Claim, Purchase, STOP_BEFORE},
    },
    vitals::Sign,
};

/// How long a lost create is looked for among Google's jobs.
const LOOK_FOR: TimeDelta = TimeDelta::minutes(10);
/// Google expires a job after 48 h; one that cannot be asked after an hour more never will be.
const JOB_LIFE: TimeDelta = TimeDelta::hours(49);
/// What Google means to need for a job at most.
const JOB_DAY: TimeDelta = TimeDelta::hours(24);
/// How long results are asked for, from the first time on: a job may have ended long before anybody
/// looked. Then what came is delivered, and the rest is missing: nobody whose picture is home waits for
/// another's.
const FETCH_FOR: TimeDelta = TimeDelta::hours(2);

impl Imagen {
    pub(super) async fn buy_batch(
        &self,
        purchase: Purchase,
        call: &Invocation,
    ) -> Result<(), StageError> {
        let attempt = match self.buyer.claim(&purchase, call).await? {
            Claim::Ours(attempt) => attempt,
            Claim::Sent(attempt) => return self.resolve_attempt(attempt).await,
            Claim::Done => return Ok(()),
        };
        if let Some(until) = self.barred(&attempt).await {
            return self.turn_away(attempt, purchase, until).await;
        }
        self.pace(&purchase, call.deadline - STOP_BEFORE).await;
        let mut rows: Vec<(&RenderOrder, &Entry)> = Vec::with_capacity(purchase.orders.len());
        for order in &purchase.orders {
            let dropped = || StageError::retry(format!("no catalogue entry {}", order.entry));
            rows.push((order, purchase.entry(order).ok_or_else(dropped)?));
        }
        // The file is no purchase: uploaded before the point of no return.
        let Uploaded { file, left_out } = match self.batch.upload(&attempt.id, &rows).await {
            Ok(uploaded) => uploaded,
            Err(CallError::Unknown(reason)) => {
                let error = CallError::NotCreated { reason, retry_after: None, ours: false };
                return self.not_answered(attempt, purchase, error).await;
            }
            Err(error) => return self.not_answered(attempt, purchase, error).await,
        };
        let now = self.buyer.clock.now();
        let attempt = self.buyer.commit(attempt.sending_without(left_out, now)).await?;
        match self.batch.create(&attempt.id, &attempt.model, &file).await {
            Ok(job) => {
                let taken = self.job_taken(Caller::of(&attempt));
                join(self.adopt(attempt, job), taken).await.0
            }
            Err(CallError::Unknown(reason)) => {
                // The lease stands: the reconciler finds it run out, and has the job looked up.
                tracing::warn!(attempt = %attempt.id, reason, "create was not answered");
                self.count(Caller::of(&attempt), Sign::Failed, false).await;
                Ok(())
            }
            Err(error) => self.not_answered(attempt, purchase, error).await,
        }
    }

    async fn adopt(&self, attempt: Attempt, job: JobName) -> Result<(), StageError> {
        let attempt = self.buyer.commit(attempt.submitted(job, self.buyer.clock.now())).await?;
        self.tell_submitted(&attempt).await
    }

    /// The job runs: its first tick and the news of it.
    async fn tell_submitted(&self, attempt: &Attempt) -> Result<(), StageError> {
        let AttemptState::Submitted { seq: 0, .. } = attempt.state else {
            return Ok(());
        };
        let tick = ToImagen::Poll { attempt_id: attempt.id.clone(), seq: 0 };
        try_join(
            self.send_tick(&tick, attempt.poll_delay(0)),
            self.buyer.tell_progress(attempt, AttemptEventKind::Submitted),
        )
        .await
        .map(drop)
    }

    pub(super) async fn resolve(&self, id: &AttemptId) -> Result<(), StageError> {
        let attempt = self.buyer.attempt(id).await?;
        self.resolve_attempt(attempt).await
    }

    /// Finds out what became of an attempt whose paying call nobody saw the end of.
    pub(super) async fn resolve_attempt(&self, attempt: Attempt) -> Result<(), StageError> {
        let now = self.buyer.clock.now();
        match attempt.state {
            AttemptState::Sending { lease_until, .. } if lease_until > now => Ok(()),
            // An online call leaves nothing to look for.
            AttemptState::Sending { .. } if attempt.lane == Lane::Online => {
                let held = self.buyer.commit(attempt.held(now)).await?;
                self.buyer.tell(held).await
            }
            AttemptState::Sending { since, .. } => match self.batch.find(&attempt.id).await {
                Ok(Some(job)) => self.adopt(attempt, job).await,
                Ok(None) | Err(_) if now >= since + LOOK_FOR => {
                    let held = self.buyer.commit(attempt.held(now)).await?;
                    self.buyer.tell(held).await
                }
                // Still due: the reconciler asks again in a minute.
                Ok(None) => Ok(()),
                Err(error) => {
                    tracing::warn!(attempt = %attempt.id, %error, "jobs could not be listed");
                    Ok(())
                }
            },
            AttemptState::Held { .. } => self.resolve_held(attempt).await,
            AttemptState::Submitted { .. } => self.tell_submitted(&attempt).await,
            AttemptState::Settled { .. } | AttemptState::NeverBought { .. } => {
                self.buyer.tell(attempt).await
            }
            AttemptState::Claimed { .. } | AttemptState::Waiting { .. } => Ok(()),
        }
    }

    /// The truth may come late; without it the money counts as spent in the end.
    async fn resolve_held(&self, attempt: Attempt) -> Result<(), StageError> {
        if attempt.lane == Lane::Batch
            && let Ok(Some(job)) = self.batch.find(&attempt.id).await
        {
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

    pub(super) async fn poll(
        &self,
        id: &AttemptId,
        seq: u32,
        call: &Invocation,
    ) -> Result<(), StageError> {
        let attempt = self.buyer.attempt(id).await?;
        let AttemptState::Submitted { ref job, since, seq: expected, running, fetched } =
            attempt.state
        else {
            return self.resolve_attempt(attempt).await;
        };
        if seq < expected {
            return Ok(());
        }
        let phase = match self.batch.status(job).await {
            Ok(phase) => phase,
            Err(error) => {
                tracing::warn!(attempt = %id, %error, "a job could not be asked after");
                JobPhase::Unrecognised
            }
        };
        match phase {
            JobPhase::Succeeded { results } => {
                self.read(attempt, fetched, results, Rest::Missing, call).await
            }
            JobPhase::Stopped { class, done, results } => {
                self.read(attempt, fetched, results, Rest::Stopped { class, done }, call).await
            }
            JobPhase::Failed(class) => self.failed(attempt, class).await,
            JobPhase::Pending | JobPhase::Running | JobPhase::Unrecognised
                if self.buyer.clock.now() >= since + JOB_LIFE =>
            {
                let caller = Caller::of_job(&attempt);
                self.buyer.settle_lost(attempt).await?;
                self.count(caller, Sign::Failed, false).await;
                Ok(())
            }
            JobPhase::Running if !running => {
                self.buyer.tell_progress(&attempt, AttemptEventKind::Processing).await?;
                self.poll_again(attempt, true).await
            }
            JobPhase::Pending | JobPhase::Running | JobPhase::Unrecognised => {
                self.poll_again(attempt, false).await
            }
        }
    }

    /// The job is over: what it did is brought home.
    async fn read(
        &self,
        attempt: Attempt,
        fetched: Option<DateTime<Utc>>,
        results: Option<String>,
        rest: Rest,
        call: &Invocation,
    ) -> Result<(), StageError> {
        let now = self.buyer.clock.now();
        let fetch_until = fetched.unwrap_or(now) + FETCH_FOR;
        let attempt = self.buyer.commit(attempt.fetching(now, call.deadline)).await?;
        match self.fetch(&attempt, results, rest, call).await? {
            Fetched::Part(_) if self.buyer.clock.now() < fetch_until => {
                self.poll_again(attempt, true).await
            }
            // Results that never came whole by now never will: what came is delivered.
            Fetched::All(outcomes) | Fetched::Part(outcomes) => {
                self.settle_job(attempt, outcomes).await
            }
        }
    }

    /// A job that ended as a whole, at no cost.
    async fn failed(&self, attempt: Attempt, class: FailClass) -> Result<(), StageError> {
        let failed = |share: &Share| RenderOutcome {
            render_id: share.render_id.clone(),
            outcome: Outcome::Failed { class },
            cost: Micros::ZERO,
        };
        let outcomes = attempt.shares.iter().map(failed).collect();
        self.settle_job(attempt, outcomes).await
    }

    /// Settles a job, and counts it: once, since one alone settles it.
    async fn settle_job(
        &self,
        attempt: Attempt,
        mut outcomes: Vec<RenderOutcome>,
    ) -> Result<(), StageError> {
        if retired(&mut outcomes) {
            self.buyer.tell_retired(&attempt);
        }
        let (caller, sign) = (Caller::of_job(&attempt), self.sign_of_job(&attempt, &outcomes));
        let settled = attempt.settled(outcomes, self.buyer.clock.now());
        let settled = self.buyer.commit(settled).await?;
        self.count_prices(&settled);
        let counted = async {
            if let Some(sign) = sign {
                self.count(caller, sign, false).await;
            }
        };
        join(self.buyer.tell(settled), counted).await.0
    }

    /// Sends the next tick, then moves the sequence on: a crash between leaves two harmless ticks.
    async fn poll_again(&self, attempt: Attempt, running: bool) -> Result<(), StageError> {
        let AttemptState::Submitted { seq, since, .. } = attempt.state else {
            return Ok(());
        };
        if self.buyer.clock.now() > since + JOB_DAY {
            BATCHES_STUCK.count([], 1);
        }
        let delay = attempt.poll_delay(seq + 1);
        let tick = ToImagen::Poll { attempt_id: attempt.id.clone(), seq: seq + 1 };
        self.send_tick(&tick, delay).await?;
        let next = self.buyer.clock.now() + TimeDelta::seconds(delay.into());
        self.buyer.commit(attempt.polled(running, next)).await.map(drop)
    }

    /// Nobody waits for the job any more. Best effort: it is polled to its end all the same.
    pub(super) async fn cancel(&self, id: &AttemptId) -> Result<(), StageError> {
        let Some(attempt) = self.buyer.attempts.get(id).await? else {
            return Ok(());
        };
        // A batch is told only once none of its renders waits for it.
        if let AttemptState::Waiting { .. } = attempt.state {
            return self.buyer.end_unbought(attempt, NeverBought::Expired).await.map(drop);
        }
        if let AttemptState::Submitted { job, .. } = &attempt.state
            && let Err(error) = self.batch.cancel(job).await
        {
            tracing::warn!(attempt = %id, %error, "a job could not be cancelled");
        }
        Ok(())
    }

    async fn send_tick(&self, message: &ToImagen, delay_seconds: u32) -> Result<(), StageError> {
        let body = encode(message).map_err(StageError::reject)?;
        let tick = Outgoing::delayed(body, delay_seconds);
        Ok(self.buyer.queue.send(QueueName::ImagenJobs, vec![tick]).await?)
    }
}

/// Whether rows say that the model is gone. It is not where it answered others: then those rows failed,
/// and their next try will tell.
fn retired(outcomes: &mut [RenderOutcome]) -> bool {
    let gone = Outcome::Failed { class: FailClass::Retired };
    let answered = |one: &RenderOutcome| !matches!(one.outcome, Outcome::Failed { .. });
    if !outcomes.iter().any(answered) {
        return outcomes.iter().any(|one| one.outcome == gone);
    }
    for one in outcomes.iter_mut().filter(|one| one.outcome == gone) {
        one.outcome = Outcome::Failed { class: FailClass::Provider };
    }
    false
}
