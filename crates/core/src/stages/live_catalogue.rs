//! The catalogue in force: the one that ops put into the bucket, where it is good, else the one that
//! ships with the code. Read every few minutes, and never a reason for a render to fail.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{Either, select};

use super::StageError;
use crate::{
    catalogue::{Catalogue, Entry},
    ids::EntryId,
    ports::{CatalogueStore, Clock, Override, PortError},
};

/// How long a look stands.
const STANDS: TimeDelta = TimeDelta::minutes(5);
/// How soon a look that failed is made again.
const AGAIN: TimeDelta = TimeDelta::seconds(30);
/// How old a look must be to be made again for an entry that it does not know.
const EAGER: TimeDelta = TimeDelta::seconds(1);
/// The longest that a render waits for a look.
const PATIENCE: Duration = Duration::from_secs(2);

/// The catalogue in force, as one function sees it.
#[derive(Debug)]
pub struct LiveCatalogue {
    store: Arc<dyn CatalogueStore>,
    clock: Arc<dyn Clock>,
    built_in: Arc<Catalogue>,
    known: Mutex<Known>,
    /// Held by the one who looks.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Known {
    catalogue: Arc<Catalogue>,
    /// Of what was last read, good or bad.
    version: Option<String>,
    /// None before the first look.
    looked_at: Option<DateTime<Utc>>,
    due_at: DateTime<Utc>,
    trouble: Option<Trouble>,
}

/// Why what lies in the bucket may not be in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Unreadable,
    Refused,
}

impl LiveCatalogue {
    pub fn new(
        store: Arc<dyn CatalogueStore>,
        clock: Arc<dyn Clock>,
        built_in: Arc<Catalogue>,
    ) -> Self {
        let known = Known {
            catalogue: built_in.clone(),
            version: None,
            looked_at: None,
            due_at: DateTime::<Utc>::MIN_UTC,
            trouble: None,
        };
        Self {
            store,
            clock,
            built_in,
            known: Mutex::new(known),
            looking: tokio::sync::Mutex::default(),
        }
    }

    /// The catalogue as last read.
    pub fn now(&self) -> Arc<Catalogue> {
        self.known().catalogue.clone()
    }

    /// The catalogue, read again where that is due: for the beginning of an invocation.
    pub async fn current(&self) -> Arc<Catalogue> {
        self.look(|known, now| now >= known.due_at).await;
        self.now()
    }

    /// The catalogue, read again where it lacks one of these entries: another function may have seen a
    /// newer one. What it still lacks then was dropped, unless nobody can tell.
    pub async fn knowing<'a>(
        &self,
        entries: impl Iterator<Item = &'a EntryId> + Clone + Send,
    ) -> Result<Arc<Catalogue>, StageError> {
        let lacks = |catalogue: &Catalogue| entries.clone().any(|id| catalogue.get(id).is_none());
        if lacks(&self.now()) {
            self.look(|known, now| known.looked_at.is_none_or(|at| now - at >= EAGER)).await;
        }
        let catalogue = self.now();
        if lacks(&catalogue) && self.known().trouble == Some(Trouble::Unreadable) {
            return Err(StageError::retry("an entry may be in a catalogue that cannot be read"));
        }
        Ok(catalogue)
    }

    /// An entry that something was bought by, which the catalogue may have dropped since.
    pub fn bought(&self, id: &EntryId) -> Option<Entry> {
        self.now().get(id).or_else(|| self.built_in.get(id)).cloned()
    }

    /// Whether what lies in the bucket cannot be read or used.
    pub fn is_troubled(&self) -> bool {
        self.known().trouble.is_some()
    }

    /// One looks at a time. Whoever comes meanwhile goes on with what is known, once anything is.
    async fn look(&self, is_due: impl Fn(&Known, DateTime<Utc>) -> bool + Send) {
        let due = || is_due(&self.known(), self.clock.now());
        if !due() {
            return;
        }
        let turn = match self.looking.try_lock() {
            Ok(turn) => turn,
            Err(_) if self.known().looked_at.is_some() => return,
            Err(_) => self.looking.lock().await,
        };
        if due() {
            let version = self.known().version.clone();
            let found = self.read(version.as_deref()).await;
            self.known().take(found, &self.built_in, self.clock.now());
        }
        drop(turn);
    }

    async fn read(&self, version: Option<&str>) -> Result<Override, PortError> {
        match select(self.store.read(version), self.clock.sleep(PATIENCE)).await {
            Either::Left((found, _)) => found,
            Either::Right(_) => Err(PortError::Unavailable("no answer in time".to_owned())),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn take(
        &mut self,
        found: Result<Override, PortError>,
        built_in: &Arc<Catalogue>,
        now: DateTime<Utc>,
    ) {
        self.looked_at = Some(now);
        self.due_at = now + STANDS;
        match found {
            Ok(Override::Absent) => {
                if self.version.take().is_some() {
                    tracing::info!("the built-in catalogue is in force");
                }
                (self.catalogue, self.trouble) = (built_in.clone(), None);
            }
            Ok(Override::Same) => self.trouble = self.trouble.filter(|t| *t == Trouble::Refused),
            Ok(Override::New { text, version }) => {
                match Catalogue::parse_override(&text, built_in) {
                    Ok(catalogue) => {
                        tracing::info!(version, "the catalogue in the bucket is in force");
                        (self.catalogue, self.trouble) = (Arc::new(catalogue), None);
                    }
                    Err(fault) => {
                        tracing::error!(version, %fault, "the catalogue in the bucket is not in force; the last good one is");
                        self.trouble = Some(Trouble::Refused);
                    }
                }
                self.version = Some(version);
            }
            Err(error) => {
                tracing::warn!(%error, "the bucket's catalogue cannot be read; the last good one is in force");
                // What was refused stays so until somebody has seen it mended.
                self.trouble = self.trouble.or(Some(Trouble::Unreadable));
                self.due_at = now + AGAIN;
            }
        }
    }
}

#[cfg(test)]
mod tests;
