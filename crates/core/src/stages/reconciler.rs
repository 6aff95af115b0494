//! Once a minute: finds what is owed or overdue, and only sends. Whatever it sends, the room that
//! gets it decides by its own row whether there is anything to do.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::{DateTime, Timelike, Utc};
use futures_util::future::{join3, try_join3};

use super::{
    Courier, Invocation, Report, StageError,
    courier::{outgoing, submission},
};
use crate::{
    attempt::{Attempt, AttemptState},
    batch::{Batch, Nudge},
    catalogue::Backend,
    ids::RenderId,
    lane::Lane,
    messages::{PipelineEvent, RenderOrder, ToAccumulator, ToImagen, ToReplicate, encode},
    metrics::{BATCHES_STUCK, OVERDUE},
    ports::{Attempts, Batches, Clock, Outgoing, Queue, QueueName, Renders},
    render::{Applied, Render},
};

/// How many rows of a kind one run looks at; the next run comes in a minute.
const MOST: usize = 500;
/// A batch carries the orders of all its renders: up to a megabyte.
const MOST_BATCHES: usize = 50;

/// Every so many minutes Google is checked, by somebody for whom no render waits.
const CHECK_MINUTES: u32 = 15;

/// The `reconciler` stage.
#[derive(Debug)]
pub struct Reconciler {
    pub renders: Arc<dyn Renders>,
    pub batches: Arc<dyn Batches>,
    pub attempts: Arc<dyn Attempts>,
    pub queue: Arc<dyn Queue>,
    pub clock: Arc<dyn Clock>,
    pub courier: Courier,
    pub report: Report,
    /// Whether it ran before in this process.
    pub begun: AtomicBool,
}

/// What a run found overdue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub renders: usize,
    pub batches: usize,
    pub attempts: usize,
}

impl Reconciler {
    pub async fn run(&self, _call: &Invocation) -> Result<Found, StageError> {
        self.courier.catalogue.current().await;
        let (found, reported, checked) =
            join3(self.look_after(), self.report.run(), self.have_google_checked()).await;
        if let Err(error) = checked {
            tracing::warn!(%error, "Google could not be checked");
        }
        // What is owed matters more than that it is told.
        if let Err(error) = reported {
            tracing::warn!(%error, "the status could not be reported");
        }
        found
    }

    /// By the clock: a minute that is missed or comes twice does no harm. And by a new process at
    /// once, which may be a new deployment.
    async fn have_google_checked(&self) -> Result<(), StageError> {
        let begun = self.begun.swap(true, Ordering::Relaxed);
        if begun && !self.clock.now().minute().is_multiple_of(CHECK_MINUTES) {
            return Ok(());
        }
        self.send(QueueName::ImagenJobs, vec![outgoing(&ToImagen::Check)?]).await
    }

    async fn look_after(&self) -> Result<Found, StageError> {
        let now = self.clock.now();
        let (renders, batches, attempts) = try_join3(
            self.renders.due(now, MOST),
            self.batches.due(now, MOST_BATCHES),
            self.attempts.due(now, MOST),
        )
        .await?;
        let found =
            Found { renders: renders.len(), batches: batches.len(), attempts: attempts.len() };
        OVERDUE.count(["renders"], found.renders as u64);
        OVERDUE.count(["batches"], found.batches as u64);
        OVERDUE.count(["attempts"], found.attempts as u64);
        // Each duty is done to its end, whatever becomes of the others.
        let (renders, batches, attempts) = join3(
            self.renders_due(renders, now),
            self.batches_due(batches, now),
            self.attempts_due(attempts),
        )
        .await;
        renders.and(batches).and(attempts)?;
        Ok(found)
    }

    /// Ended or owing: their sends. Past give-up: word to the distributor, which alone ends renders.
    /// Its deadline near and its batch not done: word as well. Standing still: handed on once more.
    async fn renders_due(&self, rows: Vec<Render>, now: DateTime<Utc>) -> Result<(), StageError> {
        let (mut owing, mut nudged, mut word) = (Vec::new(), Vec::new(), Vec::new());
        for mut row in rows {
            if !row.is_ended() && now >= row.give_up_at {
                let (shard, render_id) = (row.id.shard(), row.id);
                word.push(word_of(&PipelineEvent::Overdue { shard, render_id })?);
            } else if !row.owed.is_empty() {
                owing.push(row);
            } else if row.rescue_at().is_some_and(|at| at <= now) {
                let (shard, render_id) = (row.id.shard(), row.id);
                word.push(word_of(&PipelineEvent::Rescue { shard, render_id })?);
            } else if row.nudge(now) == Applied::Changed {
                nudged.push(row);
            }
        }
        self.send(QueueName::GeminiBatch, word).await?;
        let written = self.renders.update(&nudged).await?;
        for (mut row, ok) in nudged.into_iter().zip(written) {
            if ok {
                row.version += 1;
                owing.push(row);
            }
        }
        self.courier.deliver(owing).await
    }

    /// A tick to the accumulator, which seals what is late and hands on what it owes; or a question
    /// after the attempt of a batch that is silent.
    async fn batches_due(&self, rows: Vec<Batch>, now: DateTime<Utc>) -> Result<(), StageError> {
        let (mut ticks, mut questions) = (Vec::new(), Vec::new());
        for mut batch in rows {
            let nudge = batch.nudge(now);
            if !self.batches.update(&batch).await? {
                continue;
            }
            match nudge {
                Nudge::Tick => ticks.push(outgoing(&ToAccumulator::Seal { batch_id: batch.id })?),
                Nudge::Republish => {
                    questions.push(outgoing(&ToImagen::Republish { attempt_id: batch.attempt() })?);
                }
                Nudge::Nothing => {}
            }
        }
        BATCHES_STUCK.count([], ticks.len() as u64);
        self.send(QueueName::Accumulator, ticks).await?;
        self.send(QueueName::ImagenJobs, questions).await
    }

    async fn send(&self, queue: QueueName, messages: Vec<Outgoing>) -> Result<(), StageError> {
        if messages.is_empty() {
            return Ok(());
        }
        Ok(self.queue.send(queue, messages).await?)
    }

    async fn attempts_due(&self, rows: Vec<Attempt>) -> Result<(), StageError> {
        let mut reminders: BTreeMap<QueueName, Vec<Outgoing>> = BTreeMap::new();
        for attempt in rows {
            let reminder = match (attempt.backend, attempt.lane) {
                (Backend::Replicate, _) => {
                    (QueueName::Replicate, self.for_replicate(&attempt).await?)
                }
                (_, Lane::Online) => (QueueName::ImagenOnline, self.for_imagen(&attempt).await?),
                (_, Lane::Batch) => (QueueName::ImagenJobs, self.for_imagen(&attempt).await?),
            };
            if let (queue, Some(message)) = reminder {
                reminders.entry(queue).or_default().push(message);
            }
        }
        for (queue, messages) in reminders {
            self.send(queue, messages).await?;
        }
        Ok(())
    }

    /// What an attempt at Google that stands still needs to hear.
    async fn for_imagen(&self, attempt: &Attempt) -> Result<Option<Outgoing>, StageError> {
        let attempt_id = attempt.id.clone();
        let message = match &attempt.state {
            AttemptState::Claimed { .. } | AttemptState::Waiting { .. }
                if attempt.lane == Lane::Batch =>
            {
                let batch = self.batches.get(&attempt.batch_id).await?;
                batch.map(|batch| submission(&batch, attempt.waits))
            }
            AttemptState::Claimed { .. } | AttemptState::Waiting { .. } => {
                let order = self.order(attempt).await?;
                order.map(|order| ToImagen::Online { attempt_id, order, wait: attempt.waits })
            }
            AttemptState::Sending { .. } | AttemptState::Held { .. } => {
                Some(ToImagen::Resolve { attempt_id })
            }
            AttemptState::Submitted { seq, .. } => Some(ToImagen::Poll { attempt_id, seq: *seq }),
            AttemptState::Settled { .. } | AttemptState::NeverBought { .. } => {
                Some(ToImagen::Republish { attempt_id })
            }
        };
        message.as_ref().map(outgoing).transpose()
    }

    /// The same for an attempt at Replicate.
    async fn for_replicate(&self, attempt: &Attempt) -> Result<Option<Outgoing>, StageError> {
        let attempt_id = attempt.id.clone();
        let message = match &attempt.state {
            AttemptState::Claimed { .. } | AttemptState::Waiting { .. } => {
                let order = self.order(attempt).await?;
                order.map(|order| ToReplicate::Start { attempt_id, order, wait: attempt.waits })
            }
            AttemptState::Sending { .. } | AttemptState::Held { .. } => {
                Some(ToReplicate::Resolve { attempt_id })
            }
            AttemptState::Submitted { seq, .. } => {
                Some(ToReplicate::Poll { attempt_id, seq: *seq })
            }
            AttemptState::Settled { .. } | AttemptState::NeverBought { .. } => {
                Some(ToReplicate::Republish { attempt_id })
            }
        };
        message.as_ref().map(outgoing).transpose()
    }

    /// The order of an attempt for one render, rebuilt from its row.
    async fn order(&self, attempt: &Attempt) -> Result<Option<RenderOrder>, StageError> {
        let ids: Vec<RenderId> =
            attempt.shares.iter().map(|share| share.render_id.clone()).collect();
        let render = self.renders.get(&ids).await?.into_iter().next();
        Ok(render.map(|render| {
            let order = render.order(&self.courier.rules);
            // Nothing more is bought for one that has ended, or gone on to another try.
            let awaited = !render.is_ended() && render.own_attempt() == attempt.id;
            let buy_before = if awaited { order.buy_before } else { render.accepted_at };
            RenderOrder {
                step: attempt.step,
                buy_before,
                rescue: attempt.rescue.is_some(),
                ..order
            }
        }))
    }
}

/// Word to the distributor.
fn word_of(event: &PipelineEvent) -> Result<Outgoing, StageError> {
    let body = encode(event).map_err(StageError::reject)?;
    Ok(Outgoing::in_group(body, format!("shard-{}", event.shard())))
}
