//! What every room that buys has in common: claiming an attempt with its money, writing it on,
//! keeping pictures, and telling the end. Knows no database: messages and attempts carry all it needs.

mod claim;
mod keep;
mod purchase;
mod tell;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;

pub(super) use self::{
    claim::{Again, Claim},
    keep::{STOP_BEFORE, kept_as, kept_at, picture_prefix},
    purchase::{Purchase, model_of},
};
use super::{LiveCatalogue, StageError};
use crate::{
    attempt::{Attempt, AttemptWrite, InvalidTransition},
    chain::Step,
    ids::AttemptId,
    metrics::{MODEL_RETIRED, MODELS_RETIRED},
    money::Micros,
    ports::{Attempts, Bus, Clock, Objects, PortError, Queue, Random, SettingsSource, Written},
};

/// The ports of a room that buys.
#[derive(Clone, Debug)]
pub struct Buyer {
    pub attempts: Arc<dyn Attempts>,
    pub queue: Arc<dyn Queue>,
    pub bus: Arc<dyn Bus>,
    pub objects: Arc<dyn Objects>,
    pub settings: Arc<dyn SettingsSource>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub catalogue: Arc<LiveCatalogue>,
    /// `RESCUE_DAILY_BUDGET_USD`.
    pub rescue_budget: Micros,
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

impl Buyer {
    pub(super) async fn attempt(&self, id: &AttemptId) -> Result<Attempt, StageError> {
        let attempt = self.attempts.get(id).await?;
        attempt.ok_or_else(|| StageError::reject(format!("attempt {id} does not exist")))
    }

    /// Makes a write that must follow from what was read a moment ago; who loses the race comes back
    /// by its message.
    pub(super) async fn commit(
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
    /// acknowledgement was lost finds itself in the way, and is known by its row; one that met a
    /// transaction which came to nothing finds the row as it was.
    async fn write(&self, write: &AttemptWrite) -> Result<Written, StageError> {
        let mut unsure = false;
        for pause in PAUSES {
            match self.attempts.write(write).await {
                Ok(Written::Conflict) if unsure || write.attempt.version > 1 => {
                    match self.attempts.get(&write.attempt.id).await {
                        Ok(Some(stored)) if unsure && stored == write.attempt => {
                            return Ok(Written::Done);
                        }
                        Ok(Some(stored)) if stored.version + 1 == write.attempt.version => {}
                        Ok(_) => return Ok(Written::Conflict),
                        Err(PortError::Unavailable(_)) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(PortError::Unavailable(_)) => unsure = true,
                answer => return Ok(answer?),
            }
            let jitter = Duration::from_millis(self.random.next_u64() % 100);
            self.clock.sleep(pause + jitter).await;
        }
        Err(StageError::retry(format!("attempt {} cannot be written", write.attempt.id)))
    }

    /// Whether the model that an attempt is to ask for is past its day by now.
    fn has_retired(&self, attempt: &Attempt, purchase: &Purchase) -> bool {
        let (day, catalogue) = (self.clock.now().date_naive(), &purchase.catalogue);
        let google = attempt.step == Step::Gemini;
        google && attempt.shares.iter().any(|share| catalogue.has_retired(&share.entry, day))
    }

    /// Whether another model stands in for the one that an attempt asked for.
    pub(super) fn has_successor(&self, attempt: &Attempt) -> bool {
        let (day, catalogue) = (self.clock.now().date_naive(), self.catalogue.now());
        attempt.shares.iter().any(|share| catalogue.has_successor(&share.entry, day))
    }

    /// The provider no longer has the model of an attempt.
    pub(super) fn tell_retired(&self, attempt: &Attempt) {
        let successor = self.has_successor(attempt);
        tracing::error!(model = attempt.model, successor, "the model is gone");
        MODEL_RETIRED.count([&attempt.model], 1);
        MODELS_RETIRED.count([], 1);
    }
}
