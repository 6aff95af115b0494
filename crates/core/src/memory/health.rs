use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    chaos::{Call, Chaos, Fate, Mishap},
    lock, opaque_debug,
};
use crate::{
    catalogue::Backend,
    ports::{PortError, ProviderHealth},
    vitals::{Minute, Subject, Tally, Vitals},
};

/// The health of backends and models.
pub struct MemoryHealth {
    chaos: Arc<Chaos>,
    rows: Mutex<BTreeMap<Subject, Vitals>>,
}

opaque_debug!(MemoryHealth);

impl MemoryHealth {
    pub fn new(chaos: Arc<Chaos>) -> Self {
        Self { chaos, rows: Mutex::default() }
    }
}

#[async_trait]
impl ProviderHealth for MemoryHealth {
    async fn record(
        &self,
        subject: Subject,
        now: DateTime<Utc>,
        tally: Tally,
    ) -> Result<(), PortError> {
        let effect = |_| {
            let mut rows = lock(&self.rows);
            let minutes = &mut rows.entry(subject).or_default().minutes;
            let number = Minute::number_of(now);
            minutes.retain(|minute| minute.is_recent(now) || minute.number > number);
            match minutes.binary_search_by_key(&number, |minute| minute.number) {
                Ok(at) => minutes[at].tally += tally,
                Err(at) => minutes.insert(at, Minute { number, tally }),
            }
            Ok(())
        };
        self.chaos.call(Call::HealthRecord, effect).await
    }

    async fn read(&self, subject: Subject, now: DateTime<Utc>) -> Result<Vitals, PortError> {
        let effect = |_| {
            let mut vitals = lock(&self.rows).get(&subject).cloned().unwrap_or_default();
            vitals.minutes.retain(|minute| minute.is_recent(now));
            Ok(vitals)
        };
        self.chaos.call(Call::HealthRead, effect).await
    }

    async fn change(&self, backend: Backend, vitals: &Vitals) -> Result<bool, PortError> {
        let effect = |fate: Fate| {
            let mut rows = lock(&self.rows);
            let row = rows.entry(backend.into()).or_default();
            if fate.is(Mishap::Conflict) || row.version != vitals.version {
                return Ok(false);
            }
            row.version += 1;
            (row.breaker, row.probe) = (vitals.breaker, vitals.probe.clone());
            Ok(true)
        };
        self.chaos.call(Call::HealthChange, effect).await
    }
}
