//! Buys pictures from Google: claims an attempt and its money, makes the one paying call, brings the
//! pictures home, settles, and tells. Knows no database: messages and attempts carry all it needs.

mod buy;
mod fetch;
mod jobs;
mod online;
mod tell;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::TimeDelta;
use futures_util::future::join_all;

use super::{Consumer, Invocation, StageError};
use crate::{
    attempt::{Attempt, AttemptWrite, InvalidTransition},
    catalogue::{Backend, Catalogue, Entry},
    ids::{AttemptId, EntryId},
    messages::ToImagen,
    ports::{
        Attempts, BatchProvider, Bus, Clock, Objects, OnlineProvider, PortError, Queue, Random,
        SettingsSource, Written,
    },
};

/// The `imagen` stage.
#[derive(Debug)]
pub struct Imagen {
    pub attempts: Arc<dyn Attempts>,
    pub queue: Arc<dyn Queue>,
    pub bus: Arc<dyn Bus>,
    pub objects: Arc<dyn Objects>,
    pub settings: Arc<dyn SettingsSource>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub catalogue: Arc<Catalogue>,
    pub online: BTreeMap<Backend, Arc<dyn OnlineProvider>>,
    pub batch: Arc<dyn BatchProvider>,
}

/// A lease outlives its invocation by this much, so that a redelivery finds it run out.
const LEASE_MARGIN: TimeDelta = TimeDelta::seconds(5);
/// How long a write that failed waits before it is made again; about three seconds in all.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1_600),
];

#[async_trait]
impl Consumer<ToImagen> for Imagen {
    /// At once: each message is a render or a job of its own.
    async fn consume(
        &self,
        messages: Vec<ToImagen>,
        call: &Invocation,
    ) -> Vec<Result<(), StageError>> {
        join_all(messages.into_iter().map(|message| self.handle(message, call))).await
    }
}

impl Imagen {
    async fn handle(&self, message: ToImagen, call: &Invocation) -> Result<(), StageError> {
        match message {
            ToImagen::Online { attempt_id, order, wait } => {
                self.buy_online(attempt_id, order, wait, call).await
            }
            ToImagen::Submit { attempt_id, batch_id, key, orders, wait } => {
                let purchase = buy::Purchase::batch(attempt_id, batch_id, key, orders, wait);
                self.buy_batch(purchase, call).await
            }
            ToImagen::Poll { attempt_id, seq } => self.poll(&attempt_id, seq, call).await,
            ToImagen::Resolve { attempt_id } => self.resolve(&attempt_id).await,
            ToImagen::Cancel { attempt_id, .. } => self.cancel(&attempt_id).await,
            ToImagen::Republish { attempt_id } => self.republish(&attempt_id).await,
        }
    }

    async fn attempt(&self, id: &AttemptId) -> Result<Attempt, StageError> {
        let attempt = self.attempts.get(id).await?;
        attempt.ok_or_else(|| StageError::reject(format!("attempt {id} does not exist")))
    }

    /// Makes a write that must follow from what was read a moment ago; who loses the race comes back
    /// by its message.
    async fn commit(
        &self,
        write: Result<AttemptWrite, InvalidTransition>,
    ) -> Result<Attempt, StageError> {
        let write = write.map_err(StageError::retry)?;
        match self.write(&write).await? {
            Written::Done => Ok(write.attempt),
            Written::Conflict | Written::NoHeadroom(_) => {
                Err(StageError::retry(format!("attempt {} changed meanwhile", write.attempt.id)))
            }
        }
    }

    /// A write with some patience: behind it may stand a picture that is paid for. One whose
    /// acknowledgement was lost finds itself in the way, and is known by its row.
    async fn write(&self, write: &AttemptWrite) -> Result<Written, StageError> {
        let mut unsure = false;
        for pause in PAUSES {
            match self.attempts.write(write).await {
                Ok(Written::Conflict) if unsure => {
                    let stored = self.attempts.get(&write.attempt.id).await?;
                    let ours = stored.as_ref() == Some(&write.attempt);
                    return Ok(if ours { Written::Done } else { Written::Conflict });
                }
                Err(PortError::Unavailable(_)) => {
                    unsure = true;
                    let jitter = Duration::from_millis(self.random.next_u64() % 100);
                    self.clock.sleep(pause + jitter).await;
                }
                answer => return Ok(answer?),
            }
        }
        Err(StageError::retry(format!("attempt {} cannot be written", write.attempt.id)))
    }

    fn entry(&self, id: &EntryId) -> Result<&Entry, StageError> {
        // A newer release may know the entry.
        self.catalogue.get(id).ok_or_else(|| StageError::retry(format!("no catalogue entry {id}")))
    }
}
