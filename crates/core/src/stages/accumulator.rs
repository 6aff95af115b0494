//! Gathers Batch renders and seals: 50 images, 45 seconds or 256 MB, whichever comes first.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use futures_util::future::{join_all, try_join};

use super::{
    Consumer, Invocation, StageError,
    courier::{ROUNDS, submission},
};
use crate::{
    batch::{Batch, BatchStatus, Seal, Tick},
    catalogue::BatchKey,
    ids::BatchId,
    messages::{RenderOrder, ToAccumulator, encode},
    metrics::{BATCH_FILL, BATCHES_SEALED, GOOGLE_JOBS, SEAL_SECONDS},
    polling::delay_until,
    ports::{Batches, Clock, Outgoing, Queue, QueueName, Random, SettingsSource},
};

/// The `accumulator` stage.
#[derive(Debug)]
pub struct Accumulator {
    pub batches: Arc<dyn Batches>,
    pub queue: Arc<dyn Queue>,
    pub settings: Arc<dyn SettingsSource>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

#[async_trait]
impl Consumer<ToAccumulator> for Accumulator {
    /// The renders of one delivery join their batches in one transaction a key.
    async fn consume(
        &self,
        messages: Vec<ToAccumulator>,
        _call: &Invocation,
    ) -> Vec<Result<(), StageError>> {
        let mut results = vec![Ok(()); messages.len()];
        let mut arrivals: BTreeMap<BatchKey, (Vec<usize>, Vec<RenderOrder>)> = BTreeMap::new();
        let mut ticks = Vec::new();
        for (i, message) in messages.into_iter().enumerate() {
            match message {
                ToAccumulator::Render { key, order } => {
                    let (places, orders) = arrivals.entry(key).or_default();
                    places.push(i);
                    orders.push(order);
                }
                ToAccumulator::Seal { batch_id } => ticks.push((i, batch_id)),
            }
        }
        for (key, (places, orders)) in arrivals {
            let result = self.append(&key, orders).await;
            for place in places {
                results[place].clone_from(&result);
            }
        }
        let ticked = join_all(ticks.iter().map(|(_, id)| self.tick(id))).await;
        for ((place, _), result) in ticks.iter().zip(ticked) {
            results[*place] = result;
        }
        results
    }
}

impl Accumulator {
    async fn append(&self, key: &BatchKey, orders: Vec<RenderOrder>) -> Result<(), StageError> {
        let policy = self.settings.settings().await.batch_policy();
        let now = self.clock.now();
        let changed = self.batches.append(key, orders, now, &policy, self.random.as_ref()).await?;
        changed.iter().for_each(tell_seal);
        self.deliver(changed).await
    }

    /// A seal tick: seals by condition, and does what the batch owes whoever sealed it.
    async fn tick(&self, id: &BatchId) -> Result<(), StageError> {
        for _ in 0..ROUNDS {
            let Some(mut batch) = self.batches.get(id).await? else {
                return Err(StageError::reject(format!("batch {id} does not exist")));
            };
            let jobs = if batch.is_late(self.clock.now()) { self.jobs().await? } else { 0 };
            match batch.tick(self.clock.now(), jobs) {
                Tick::Sealed => {
                    if !self.batches.update(&batch).await? {
                        continue;
                    }
                    batch.version += 1;
                    tell_seal(&batch);
                }
                // Early: the tick it owes is sent (again).
                Tick::Early => batch.owes_send = true,
                Tick::Closed => {}
            }
            return self.deliver(vec![batch]).await;
        }
        Err(StageError::retry(format!("batch {id} is busy")))
    }

    async fn jobs(&self) -> Result<u64, StageError> {
        let jobs = self.batches.jobs().await?;
        GOOGLE_JOBS.record([], jobs as f64);
        Ok(jobs)
    }

    /// Sends what the batches owe: a seal tick while open, the batch itself once sealed.
    async fn deliver(&self, batches: Vec<Batch>) -> Result<(), StageError> {
        let owing: Vec<Batch> = batches.into_iter().filter(|batch| batch.owes_send).collect();
        let now = self.clock.now();
        let (mut ticks, mut sealed) = (Vec::new(), Vec::new());
        for batch in &owing {
            if batch.status == BatchStatus::Open {
                let tick = ToAccumulator::Seal { batch_id: batch.id.clone() };
                let body = encode(&tick).map_err(StageError::reject)?;
                ticks.push(Outgoing::delayed(body, delay_until(now, batch.next_tick(now))));
            } else {
                let body = encode(&submission(batch, 0)).map_err(StageError::reject)?;
                sealed.push(Outgoing::now(body));
            }
        }
        let send = async |queue, messages: Vec<Outgoing>| {
            if messages.is_empty() { Ok(()) } else { self.queue.send(queue, messages).await }
        };
        try_join(send(QueueName::Accumulator, ticks), send(QueueName::ImagenJobs, sealed)).await?;
        for batch in owing {
            self.strike(batch).await?;
        }
        Ok(())
    }

    /// Marks a batch's send done. A batch that moved on meanwhile keeps what it owes since.
    async fn strike(&self, batch: Batch) -> Result<(), StageError> {
        let sent_as = batch.status.rank();
        let mut current = Some(batch);
        for _ in 0..ROUNDS {
            let Some(mut batch) = current.take() else {
                return Ok(());
            };
            if batch.status.rank() != sent_as || !batch.owes_send {
                return Ok(());
            }
            batch.sent(self.clock.now());
            if self.batches.update(&batch).await? {
                return Ok(());
            }
            current = self.batches.get(&batch.id).await?;
        }
        Ok(())
    }
}

/// A batch that was written sealed, in numbers.
fn tell_seal(batch: &Batch) {
    if let Some(Seal { at, reason }) = batch.sealed {
        BATCHES_SEALED.count([reason.as_str()], 1);
        BATCH_FILL.record([], batch.orders.len() as f64);
        SEAL_SECONDS.record([], (at - batch.opened_at).as_seconds_f64());
    }
}
