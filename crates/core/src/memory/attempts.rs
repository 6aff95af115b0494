use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use super::{
    chaos::{Call, Chaos, Mishap},
    lock, opaque_debug,
    table::Table,
};
use crate::{
    attempt::{Attempt, AttemptState, AttemptWrite},
    budget::{Account, Balance, Balances, Movement},
    ids::AttemptId,
    ports::{Attempts, Ledger, PortError, Written},
};

/// Attempts and the ledger.
pub struct MemoryAttempts {
    chaos: Arc<Chaos>,
    state: Mutex<State>,
}

opaque_debug!(MemoryAttempts);

#[derive(Default)]
struct State {
    attempts: Table<Attempt>,
    ledger: BTreeMap<(NaiveDate, Account), Balance>,
}

impl MemoryAttempts {
    pub fn new(chaos: Arc<Chaos>) -> Self {
        Self { chaos, state: Mutex::default() }
    }

    /// Every balance that ever moved.
    pub fn balances(&self) -> BTreeMap<(NaiveDate, Account), Balance> {
        lock(&self.state).ledger.clone()
    }

    /// Every attempt, by id.
    pub fn attempts(&self) -> Vec<Attempt> {
        lock(&self.state).attempts.all().cloned().collect()
    }

    /// Takes out the attempts that were settled or given up before `before` and told of, as the
    /// table's expiry does, so that long simulations stay flat.
    pub fn archive(&self, before: DateTime<Utc>) -> Vec<Attempt> {
        let is_over = |attempt: &Attempt| {
            attempt.announced
                && !matches!(attempt.state, AttemptState::Held { .. })
                && attempt.ended_at().is_some_and(|at| at < before)
        };
        lock(&self.state).attempts.archive(is_over)
    }
}

#[async_trait]
impl Attempts for MemoryAttempts {
    async fn get(&self, id: &AttemptId) -> Result<Option<Attempt>, PortError> {
        self.chaos.call(Call::AttemptGet, |_| Ok(lock(&self.state).attempts.get(id).cloned())).await
    }

    async fn write(&self, write: &AttemptWrite) -> Result<Written, PortError> {
        self.chaos
            .call(Call::AttemptWrite, |fate| {
                if fate.is(Mishap::Conflict) {
                    return Ok(Written::Conflict);
                }
                lock(&self.state).write(write)
            })
            .await
    }

    async fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Attempt>, PortError> {
        self.chaos
            .call(Call::AttemptDue, |fate| {
                // The index follows the rows with some delay.
                let most = if fate.is(Mishap::Late) { 0 } else { most };
                Ok(lock(&self.state).attempts.due(now, most))
            })
            .await
    }
}

#[async_trait]
impl Ledger for MemoryAttempts {
    async fn balances(&self, date: NaiveDate) -> Result<Balances, PortError> {
        self.chaos
            .call(Call::AttemptBalance, |_| {
                let state = lock(&self.state);
                let of = |account| state.ledger.get(&(date, account)).copied().unwrap_or_default();
                Ok(Balances { google: of(Account::Google), replicate: of(Account::Replicate) })
            })
            .await
    }
}

impl State {
    fn write(&mut self, write: &AttemptWrite) -> Result<Written, PortError> {
        let id = &write.attempt.id;
        if self.attempts.get(id).map(|attempt| attempt.version) != write.replaces {
            return Ok(Written::Conflict);
        }
        if let Some(entry) = write.ledger {
            let row = self.ledger.entry((entry.date, entry.account)).or_default();
            *row = match (row.after_entry(&entry), entry.movement) {
                (Some(next), _) => next,
                (None, Movement::Reserve { .. }) => return Ok(Written::NoHeadroom(*row)),
                (None, movement) => {
                    let reason =
                        format!("{movement:?} of attempt {id} does not follow from {row:?}");
                    return Err(PortError::Broken(reason));
                }
            };
        }
        self.attempts.put(write.attempt.clone());
        Ok(Written::Done)
    }
}
