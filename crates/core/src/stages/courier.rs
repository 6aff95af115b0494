//! Does what rows owe: builds the sends from the row itself, makes them, strikes them off. Run by
//! whoever sees a row that owes something, as often as anyone likes.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::future::{try_join, try_join_all};

use super::{LiveCatalogue, StageError};
use crate::{
    batch::{Batch, BatchStatus},
    catalogue::BatchKey,
    chain::Step,
    ids::{AttemptId, RenderId},
    messages::{RenderEnded, ToAccumulator, ToImagen, ToReplicate, WireMessage, encode},
    ports::{Announcement, Batches, Bus, Clock, Outgoing, Queue, QueueName, Renders},
    render::{ChainRules, Owed, Render, RenderStatus},
};

/// How often a lost race for a row is run again before the message goes back to its queue.
pub(super) const ROUNDS: usize = 8;

/// Sends for render rows.
#[derive(Clone, Debug)]
pub struct Courier {
    pub renders: Arc<dyn Renders>,
    pub batches: Arc<dyn Batches>,
    pub queue: Arc<dyn Queue>,
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
    pub catalogue: Arc<LiveCatalogue>,
    pub rules: Arc<ChainRules>,
}

/// Everything a set of rows owes, grouped by where it goes.
#[derive(Default)]
struct Sends {
    accumulator: Vec<Outgoing>,
    online: Vec<Outgoing>,
    jobs: Vec<Outgoing>,
    replicate: Vec<Outgoing>,
    events: Vec<Announcement>,
}

impl Sends {
    fn extend(&mut self, more: Self) {
        self.accumulator.extend(more.accumulator);
        self.online.extend(more.online);
        self.jobs.extend(more.jobs);
        self.replicate.extend(more.replicate);
        self.events.extend(more.events);
    }
}

impl Courier {
    /// Does what the rows owe and strikes it off. The rows must be as read or as written.
    pub async fn deliver(&self, rows: Vec<Render>) -> Result<(), StageError> {
        let rows: Vec<Render> = rows.into_iter().filter(|row| !row.owed.is_empty()).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let (mut sends, mut sent) = (Sends::default(), Vec::with_capacity(rows.len()));
        for row in rows {
            match self.sends_of(&row).await {
                Ok(more) => {
                    sends.extend(more);
                    sent.push(row);
                }
                // One row that nobody can send for is no reason to keep the others.
                Err(StageError::Reject(reason)) => {
                    tracing::error!(render = %row.id, reason, "an owed send cannot be made");
                }
                Err(error) => return Err(error),
            }
        }
        self.send(sends).await?;
        self.strike(sent).await
    }

    /// Tells Google's room that a render no longer waits for its job.
    pub async fn cancel(
        &self,
        attempt_id: AttemptId,
        render_id: RenderId,
    ) -> Result<(), StageError> {
        let word = outgoing(&ToImagen::Cancel { attempt_id, render_id })?;
        Ok(self.queue.send(QueueName::ImagenJobs, vec![word]).await?)
    }

    async fn sends_of(&self, row: &Render) -> Result<Sends, StageError> {
        let mut sends = Sends::default();
        for owed in &row.owed {
            self.add(&mut sends, row, owed).await?;
        }
        Ok(sends)
    }

    async fn add(&self, sends: &mut Sends, row: &Render, owed: &Owed) -> Result<(), StageError> {
        match owed {
            // Of a try that is over.
            Owed::HandOn { .. } if *owed != row.hand_on() => {}
            Owed::HandOn { .. } => {
                let order = row.order(&self.rules);
                let attempt_id = row.own_attempt();
                if row.to_join {
                    let message = ToAccumulator::Render { key: self.batch_key(row).await?, order };
                    sends.accumulator.push(outgoing(&message)?);
                } else if row.step == Step::Gemini {
                    sends.online.push(outgoing(&ToImagen::Online { attempt_id, order, wait: 0 })?);
                } else {
                    let message = ToReplicate::Start { attempt_id, order, wait: 0 };
                    sends.replicate.push(outgoing(&message)?);
                }
            }
            Owed::Announce => sends.events.extend(announcement(row)?),
            Owed::Ask(attempt_id) => {
                let attempt_id = attempt_id.clone();
                if attempt_id.step() == Some(Step::Gemini) {
                    sends.jobs.push(outgoing(&ToImagen::Republish { attempt_id })?);
                } else {
                    sends.replicate.push(outgoing(&ToReplicate::Republish { attempt_id })?);
                }
            }
            Owed::Cancel(attempt_id) => {
                if self.nobody_waits(row, attempt_id).await? {
                    let (attempt_id, render_id) = (attempt_id.clone(), row.id.clone());
                    if attempt_id.step() == Some(Step::Gemini) {
                        sends.jobs.push(outgoing(&ToImagen::Cancel { attempt_id, render_id })?);
                    } else {
                        let message = ToReplicate::Cancel { attempt_id, render_id };
                        sends.replicate.push(outgoing(&message)?);
                    }
                }
            }
        }
        Ok(())
    }

    /// A render whose entry was dropped gathers with those that come in now: where it is to be bought it
    /// is found out, and gets a try by what serves its quality.
    async fn batch_key(&self, row: &Render) -> Result<BatchKey, StageError> {
        let catalogue = self.catalogue.knowing(std::iter::once(&row.entry)).await?;
        let serving = || {
            let (_, entry) =
                catalogue.entry_for(row.request.quality, self.clock.now().date_naive())?;
            Some(entry)
        };
        let key = catalogue
            .get(&row.entry)
            .or_else(serving)
            .and_then(|entry| Some(BatchKey { backend: entry.batch?, model: entry.model.clone() }));
        key.ok_or_else(|| StageError::reject(format!("entry {} has no batch backend", row.entry)))
    }

    /// One render's end is no reason to cancel a job that others still wait for.
    async fn nobody_waits(&self, row: &Render, attempt: &AttemptId) -> Result<bool, StageError> {
        if attempt.owner() == row.id.as_batch() {
            return Ok(true);
        }
        let Some(batch) = self.batches.get(&attempt.owner()).await? else {
            return Ok(true);
        };
        if batch.status == BatchStatus::Open {
            // Others may join before the word is heard.
            return Ok(false);
        }
        let others: Vec<_> = batch
            .orders
            .iter()
            .map(|order| order.render_id.clone())
            .filter(|id| *id != row.id)
            .collect();
        let others = self.renders.get(&others).await?;
        Ok(others.iter().all(|other| other.is_ended() || !other.open_attempts.contains(attempt)))
    }

    async fn send(&self, sends: Sends) -> Result<(), StageError> {
        let queues = [
            (QueueName::Accumulator, sends.accumulator),
            (QueueName::ImagenOnline, sends.online),
            (QueueName::ImagenJobs, sends.jobs),
            (QueueName::Replicate, sends.replicate),
        ];
        let messages = try_join_all(
            queues
                .into_iter()
                .filter(|(_, messages)| !messages.is_empty())
                .map(|(queue, messages)| self.queue.send(queue, messages)),
        );
        let events = async {
            if sends.events.is_empty() { Ok(()) } else { self.bus.publish(sends.events).await }
        };
        try_join(messages, events).await?;
        Ok(())
    }

    /// Marks the sends of `rows` done. A row that changed meanwhile is read again: only what was
    /// sent is struck off.
    async fn strike(&self, rows: Vec<Render>) -> Result<(), StageError> {
        let mut left: Vec<(Render, BTreeSet<Owed>)> = rows
            .into_iter()
            .map(|row| {
                let done = row.owed.clone();
                (row, done)
            })
            .collect();
        for _ in 0..ROUNDS {
            let now = self.clock.now();
            let next: Vec<Render> =
                left.iter().map(|(row, done)| row.clone().struck(done, now)).collect();
            let written = self.renders.update(&next).await?;
            left =
                left.into_iter().zip(written).filter(|(_, ok)| !ok).map(|(row, _)| row).collect();
            if left.is_empty() {
                return Ok(());
            }
            let ids: Vec<_> = left.iter().map(|(row, _)| row.id.clone()).collect();
            let fresh = self.renders.get(&ids).await?;
            left.retain_mut(|(row, done)| {
                let Some(now_stored) = fresh.iter().find(|render| render.id == row.id) else {
                    return false;
                };
                *row = now_stored.clone();
                !done.is_disjoint(&row.owed)
            });
            if left.is_empty() {
                return Ok(());
            }
        }
        // Sent but not struck off: it will be sent again, which is allowed.
        Ok(())
    }
}

pub(super) fn outgoing<T: WireMessage>(message: &T) -> Result<Outgoing, StageError> {
    Ok(Outgoing::now(encode(message).map_err(StageError::reject)?))
}

/// The news of a render's end; the same bytes each time.
fn announcement(row: &Render) -> Result<Option<Announcement>, StageError> {
    let id = format!("{}/ended", row.id);
    let ended = match &row.status {
        RenderStatus::Succeeded { picture, fidelity, size, at } => RenderEnded::Completed {
            id,
            render_id: row.id.clone(),
            user_id: row.user_id.clone(),
            at: *at,
            picture: picture.clone(),
            fidelity: *fidelity,
            size: *size,
        },
        RenderStatus::Failed { code, at } => RenderEnded::Failed {
            id,
            render_id: row.id.clone(),
            user_id: row.user_id.clone(),
            at: *at,
            code: *code,
        },
        RenderStatus::Accepted | RenderStatus::Queued | RenderStatus::Generating => {
            return Ok(None);
        }
    };
    let detail = encode(&ended).map_err(StageError::reject)?;
    Ok(Some(Announcement { source: "render", detail_type: ended.name(), detail }))
}

/// The message that buys a sealed batch.
pub(super) fn submission(batch: &Batch, wait: u32) -> ToImagen {
    ToImagen::Submit {
        attempt_id: batch.attempt(),
        batch_id: batch.id.clone(),
        key: batch.key.clone(),
        orders: batch.orders.clone(),
        wait,
    }
}
