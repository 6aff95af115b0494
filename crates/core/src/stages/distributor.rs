//! Records outcomes, opens the next try or step, and alone ends renders.

mod numbers;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::TimeDelta;

use super::{Consumer, Courier, Invocation, StageError, courier::ROUNDS};
use crate::{
    batch::BatchStatus,
    ids::{AttemptId, BatchId, JobName, RenderId},
    messages::{AttemptEvent, PipelineEvent},
    money::Micros,
    outcome::RenderOutcome,
    ports::{Batches, Clock, Renders, SettingsSource},
    render::{Applied, ChainRules, Render},
};

use self::numbers::{Before, Change};

/// The `distributor` stage.
#[derive(Debug)]
pub struct Distributor {
    pub renders: Arc<dyn Renders>,
    pub batches: Arc<dyn Batches>,
    pub settings: Arc<dyn SettingsSource>,
    pub clock: Arc<dyn Clock>,
    pub courier: Courier,
}

#[async_trait]
impl Consumer<PipelineEvent> for Distributor {
    /// In order: the queue is FIFO.
    async fn consume(
        &self,
        messages: Vec<PipelineEvent>,
        call: &Invocation,
    ) -> Vec<Result<(), StageError>> {
        self.courier.catalogue.current().await;
        let mut results = Vec::with_capacity(messages.len());
        for message in messages {
            results.push(self.handle_with_patience(message, call).await);
        }
        results
    }
}

/// How long a failure waits before it is tried again, at first; it doubles.
const PAUSE: Duration = Duration::from_millis(200);
/// What must be left of the invocation for another try.
const MARGIN: TimeDelta = TimeDelta::seconds(10);

impl Distributor {
    /// A failure given back to the queue blocks its message group for the visibility timeout, five
    /// minutes: what can be tried again is tried here while the invocation lasts.
    async fn handle_with_patience(
        &self,
        event: PipelineEvent,
        call: &Invocation,
    ) -> Result<(), StageError> {
        let mut pause = PAUSE;
        loop {
            match self.handle(event.clone()).await {
                Err(StageError::Retry(reason))
                    if self.clock.now() + pause + MARGIN < call.deadline =>
                {
                    tracing::warn!(event = event.name(), reason, "tried again");
                    self.clock.sleep(pause).await;
                    pause *= 2;
                }
                result => return result,
            }
        }
    }

    async fn handle(&self, event: PipelineEvent) -> Result<(), StageError> {
        match event {
            PipelineEvent::Submitted(event) => {
                let status = BatchStatus::Submitted { job: job(&event)?, at: event.at };
                let ids = self.advance(&event.batch_id, status, &[]).await?;
                self.cancel_unwanted(event.attempt_id, &ids).await
            }
            PipelineEvent::Processing(event) => {
                let status = BatchStatus::Processing { job: job(&event)?, at: event.at };
                let ids = self.advance(&event.batch_id, status, &[]).await?;
                self.change(&ids, Render::generating).await.map(drop)
            }
            PipelineEvent::Completed(event) => {
                let status = BatchStatus::Completed { at: event.at };
                self.finish(&event, Some(status)).await
            }
            PipelineEvent::Failed(event) => {
                let status = BatchStatus::Failed { at: event.at };
                self.finish(&event, Some(status)).await
            }
            PipelineEvent::PredictionCompleted(event) | PipelineEvent::PredictionFailed(event) => {
                self.finish(&event, None).await
            }
            PipelineEvent::Overdue { render_id, .. } => {
                let now = self.clock.now();
                self.change(&[render_id], |render| render.overdue(now)).await.map(drop)
            }
            PipelineEvent::Rescue { render_id, .. } => {
                let (now, catalogue) = (self.clock.now(), self.courier.catalogue.now());
                self.change(&[render_id], |render| {
                    let entry = catalogue.get(&render.entry);
                    render.rescued(now, entry.is_some_and(|entry| entry.online.is_some()))
                })
                .await
                .map(drop)
            }
        }
    }

    /// A job may be found, or taken, when nobody waits for it any more: those who ended before had
    /// nothing to cancel.
    async fn cancel_unwanted(
        &self,
        attempt: AttemptId,
        ids: &[RenderId],
    ) -> Result<(), StageError> {
        let renders = self.renders.get(ids).await?;
        match renders.first() {
            Some(first) if renders.iter().all(Render::is_ended) => {
                self.courier.cancel(attempt, first.id.clone()).await
            }
            _ => Ok(()),
        }
    }

    /// The last news of an attempt: every outcome is applied to its render.
    async fn finish(
        &self,
        event: &AttemptEvent,
        status: Option<BatchStatus>,
    ) -> Result<(), StageError> {
        let by_render: BTreeMap<&RenderId, _> =
            event.outcomes.iter().map(|outcome| (&outcome.render_id, outcome)).collect();
        let ids: Vec<RenderId> = by_render.keys().map(|id| (*id).clone()).collect();
        let now = self.clock.now();
        let settings = self.settings.settings().await;
        let rules = &ChainRules {
            when_budget_exhausted: settings.when_budget_exhausted,
            catalogue: self.courier.catalogue.now(),
            ..(*self.courier.rules).clone()
        };
        let renders = self.change(&ids, |render| {
            by_render.get(&render.id).map_or(Applied::Ignored, |outcome| {
                render.apply(&event.attempt_id, outcome, now, rules)
            })
        });
        // An Online render is its own batch and has no batch row.
        let own = ids.first().is_some_and(|id| id.as_batch() == event.batch_id);
        let batch = async {
            match status.filter(|_| !own) {
                Some(status) => self.advance(&event.batch_id, status, &event.outcomes).await,
                None => Ok(Vec::new()),
            }
        };
        // The batch row is closed last: until then it is what asks for this news again.
        for change in renders.await? {
            if let Some(told) = by_render.get(&change.render_id) {
                change.tell_outcome(&event.attempt_id, &told.outcome);
            }
        }
        batch.await.map(drop)
    }

    /// Changes render rows by `step`, decided anew for each row that was written meanwhile, then does
    /// what they owe: also what an earlier run left owed. Returns those that changed.
    async fn change(
        &self,
        ids: &[RenderId],
        step: impl Fn(&mut Render) -> Applied,
    ) -> Result<Vec<Change>, StageError> {
        let mut left = ids.to_vec();
        let (mut owing, mut done) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            if left.is_empty() {
                self.courier.deliver(owing).await?;
                return Ok(done);
            }
            let (mut changed, mut same) = (Vec::new(), Vec::new());
            let mut before = Vec::new();
            for mut row in self.renders.get(&left).await? {
                let was = Before::of(&row);
                match step(&mut row) {
                    Applied::Changed => {
                        changed.push(row);
                        before.push(was);
                    }
                    Applied::Ignored => same.push(row),
                }
            }
            owing.append(&mut same);
            let written = self.renders.update(&changed).await?;
            left.clear();
            for ((mut row, was), ok) in changed.into_iter().zip(before).zip(written) {
                if ok {
                    let change = Change::of(&row, &was);
                    change.tell(&row);
                    row.version += 1;
                    done.push(change);
                    owing.push(row);
                } else {
                    left.push(row.id);
                }
            }
        }
        Err(StageError::retry("render rows are busy"))
    }

    /// Moves a batch row on and returns its renders.
    async fn advance(
        &self,
        id: &BatchId,
        status: BatchStatus,
        outcomes: &[RenderOutcome],
    ) -> Result<Vec<RenderId>, StageError> {
        for _ in 0..ROUNDS {
            let Some(mut batch) = self.batches.get(id).await? else {
                return Err(StageError::reject(format!("batch {id} does not exist")));
            };
            let ids = batch.orders.iter().map(|order| order.render_id.clone()).collect();
            let moved = batch.advance(status.clone(), self.clock.now());
            // A job that was given up may turn up after all, with its bill.
            let billed = outcomes.iter().map(|outcome| outcome.cost).sum::<Micros>() > batch.cost();
            if moved || billed {
                batch.outcomes = outcomes.to_vec();
            }
            if !moved && !billed || self.batches.update(&batch).await? {
                return Ok(ids);
            }
        }
        Err(StageError::retry(format!("batch {id} is busy")))
    }
}

fn job(event: &AttemptEvent) -> Result<JobName, StageError> {
    event.job.clone().ok_or_else(|| StageError::reject("the event names no job"))
}
