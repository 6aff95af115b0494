//! Once a minute: finds what is owed or overdue, and only sends. Whatever it sends, the room that
//! gets it decides by its own row whether there is anything to do.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::{join3, try_join3};

use super::{Courier, Invocation, StageError, courier::submission};
use crate::{
    attempt::{Attempt, AttemptState},
    batch::{Batch, Nudge},
    ids::RenderId,
    lane::Lane,
    messages::{PipelineEvent, ToAccumulator, ToImagen, WireMessage, encode},
    ports::{Attempts, Batches, Clock, Outgoing, Queue, QueueName, Renders},
    render::{Applied, Render},
};

/// How many rows of a kind one run looks at; the next run comes in a minute.
const MOST: usize = 500;

/// The `reconciler` stage.
#[derive(Debug)]
pub struct Reconciler {
    pub renders: Arc<dyn Renders>,
    pub batches: Arc<dyn Batches>,
    pub attempts: Arc<dyn Attempts>,
    pub queue: Arc<dyn Queue>,
    pub clock: Arc<dyn Clock>,
    pub courier: Courier,
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
        let now = self.clock.now();
        let (renders, batches, attempts) = try_join3(
            self.renders.due(now, MOST),
            self.batches.due(now, MOST),
            self.attempts.due(now, MOST),
        )
        .await?;
        let found =
            Found { renders: renders.len(), batches: batches.len(), attempts: attempts.len() };
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
    /// Standing still: handed on once more.
    async fn renders_due(&self, rows: Vec<Render>, now: DateTime<Utc>) -> Result<(), StageError> {
        let (mut owing, mut nudged, mut overdue) = (Vec::new(), Vec::new(), Vec::new());
        for mut row in rows {
            if !row.is_ended() && now >= row.give_up_at {
                overdue.push(overdue_message(&row.id)?);
            } else if !row.owed.is_empty() {
                owing.push(row);
            } else if row.nudge(now) == Applied::Changed {
                nudged.push(row);
            }
        }
        self.send(QueueName::GeminiBatch, overdue).await?;
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
        let (mut online, mut jobs) = (Vec::new(), Vec::new());
        for attempt in rows {
            let to = if attempt.lane == Lane::Online { &mut online } else { &mut jobs };
            if let Some(message) = self.reminder(&attempt).await? {
                to.push(outgoing(&message)?);
            }
        }
        self.send(QueueName::ImagenOnline, online).await?;
        self.send(QueueName::ImagenJobs, jobs).await
    }

    /// What an attempt that stands still needs to hear.
    async fn reminder(&self, attempt: &Attempt) -> Result<Option<ToImagen>, StageError> {
        let attempt_id = attempt.id.clone();
        Ok(match &attempt.state {
            AttemptState::Claimed { .. } | AttemptState::Waiting { .. } => {
                self.purchase(attempt).await?
            }
            AttemptState::Sending { .. } | AttemptState::Held { .. } => {
                Some(ToImagen::Resolve { attempt_id })
            }
            AttemptState::Submitted { seq, .. } => Some(ToImagen::Poll { attempt_id, seq: *seq }),
            AttemptState::Settled { .. } | AttemptState::NeverBought { .. } => {
                Some(ToImagen::Republish { attempt_id })
            }
        })
    }

    /// The buying message, rebuilt from the rows.
    async fn purchase(&self, attempt: &Attempt) -> Result<Option<ToImagen>, StageError> {
        if attempt.lane == Lane::Batch {
            let batch = self.batches.get(&attempt.batch_id).await?;
            return Ok(batch.map(|batch| submission(&batch, attempt.waits)));
        }
        let ids: Vec<RenderId> =
            attempt.shares.iter().map(|share| share.render_id.clone()).collect();
        let render = self.renders.get(&ids).await?.into_iter().next();
        Ok(render.map(|render| ToImagen::Online {
            attempt_id: attempt.id.clone(),
            order: render.order(&self.courier.rules),
            wait: attempt.waits,
        }))
    }
}

fn outgoing<T: WireMessage>(message: &T) -> Result<Outgoing, StageError> {
    Ok(Outgoing::now(encode(message).map_err(StageError::reject)?))
}

fn overdue_message(id: &RenderId) -> Result<Outgoing, StageError> {
    let event = PipelineEvent::Overdue { shard: id.shard(), render_id: id.clone() };
    let body = encode(&event).map_err(StageError::reject)?;
    Ok(Outgoing::in_group(body, format!("shard-{}", id.shard())))
}
