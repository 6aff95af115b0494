use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::{
    attempt::Attempt,
    batch::Batch,
    ids::{AttemptId, BatchId, RenderId},
    render::Render,
};

/// What every stored row has.
pub(super) trait Row: Clone {
    type Id: Clone + Ord;
    fn id(&self) -> &Self::Id;
    fn version(&self) -> u64;
    fn set_version(&mut self, version: u64);
    fn due_at(&self) -> Option<DateTime<Utc>>;
}

macro_rules! row {
    ($row:ty, $id:ty) => {
        impl Row for $row {
            type Id = $id;
            fn id(&self) -> &$id {
                &self.id
            }
            fn version(&self) -> u64 {
                self.version
            }
            fn set_version(&mut self, version: u64) {
                self.version = version;
            }
            fn due_at(&self) -> Option<DateTime<Utc>> {
                self.due_at
            }
        }
    };
}
row!(Render, RenderId);
row!(Batch, BatchId);
row!(Attempt, AttemptId);

/// Rows by id, with an index of what is due.
pub(super) struct Table<R: Row> {
    rows: BTreeMap<R::Id, R>,
    due: BTreeSet<(DateTime<Utc>, R::Id)>,
}

impl<R: Row> Default for Table<R> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), due: BTreeSet::new() }
    }
}

impl<R: Row> Table<R> {
    pub(super) fn get(&self, id: &R::Id) -> Option<&R> {
        self.rows.get(id)
    }

    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &R> {
        self.rows.values()
    }

    /// Writes the row, whatever was there.
    pub(super) fn put(&mut self, row: R) {
        let id = row.id().clone();
        let due_at = row.due_at();
        let due_before = self.rows.insert(id.clone(), row).and_then(|old| old.due_at());
        if due_before == due_at {
            return;
        }
        if let Some(before) = due_before {
            self.due.remove(&(before, id.clone()));
        }
        if let Some(at) = due_at {
            self.due.insert((at, id));
        }
    }

    /// Takes the row out, to be put back changed.
    pub(super) fn take(&mut self, id: &R::Id) -> Option<R> {
        let row = self.rows.remove(id)?;
        if let Some(at) = row.due_at() {
            self.due.remove(&(at, id.clone()));
        }
        Some(row)
    }

    /// Takes out every row that `is_over`.
    pub(super) fn archive(&mut self, is_over: impl Fn(&R) -> bool) -> Vec<R> {
        let over: Vec<_> =
            self.rows.values().filter(|row| is_over(row)).map(|row| row.id().clone()).collect();
        over.iter().filter_map(|id| self.take(id)).collect()
    }

    /// Writes the row over the version it was read at.
    pub(super) fn replace(&mut self, row: &R) -> bool {
        let current = self.rows.get(row.id()).map(Row::version);
        if current != Some(row.version()) {
            return false;
        }
        let mut next = row.clone();
        next.set_version(row.version() + 1);
        self.put(next);
        true
    }

    pub(super) fn due(&self, now: DateTime<Utc>, most: usize) -> Vec<R> {
        let ids = self.due.iter().take_while(|(at, _)| *at <= now).take(most);
        ids.filter_map(|(_, id)| self.rows.get(id).cloned()).collect()
    }
}
