//! Which entry takes the place of another: the catalogue's own answer to a model that is gone, or that
//! thinks too long.

use chrono::NaiveDate;

use super::{Catalogue, Entry, Quality};
use crate::{ids::EntryId, lane::Lane, outcome::FailClass};

impl Catalogue {
    /// The entry that serves a render of so many pictures in place of `id`, where an attempt with that
    /// failed so.
    pub fn instead(
        &self,
        id: &EntryId,
        class: FailClass,
        pictures: usize,
        lane: Lane,
        day: NaiveDate,
    ) -> Option<&EntryId> {
        let failed = self.entry.get(id)?;
        let serves = |entry: &Entry| serves(entry, pictures, lane, day);
        match class {
            FailClass::Retired => {
                // Another entry of the same model is as dead.
                self.successors(id).find(|(_, e)| serves(e) && e.model != failed.model)
            }
            FailClass::Exhausted => {
                let lighter = failed.lighter.as_ref()?;
                self.entry.get_key_value(lighter).filter(|(_, entry)| serves(entry))
            }
            _ => None,
        }
        .map(|(id, _)| id)
    }

    /// The entry that serves a render whose own was dropped from the catalogue.
    pub fn instead_of_dropped(
        &self,
        quality: Quality,
        pictures: usize,
        lane: Lane,
        day: NaiveDate,
    ) -> Option<&EntryId> {
        let (id, entry) = self.entry_for(quality, day)?;
        serves(entry, pictures, lane, day).then_some(id)
    }

    /// Whether the entry's model has retired by `day`.
    pub fn has_retired(&self, id: &EntryId, day: NaiveDate) -> bool {
        self.entry.get(id).is_some_and(|entry| !is_alive(entry, day))
    }

    /// Whether a living entry of another model can take the place of `id`, for some renders at least.
    pub fn has_successor(&self, id: &EntryId, day: NaiveDate) -> bool {
        self.instead(id, FailClass::Retired, 0, Lane::Online, day).is_some()
    }

    /// Every model that serves a quality on `day` or would but for its retirement, with the days that
    /// are left to it; below 1 it is gone.
    pub fn retirements(&self, day: NaiveDate) -> Vec<(&str, i64)> {
        let mut models: Vec<(&str, i64)> = Vec::new();
        for mapped in self.quality.values() {
            let first = self.entry.get_key_value(mapped);
            for (_, entry) in first.into_iter().chain(self.successors(mapped)) {
                if let Some(retires) = entry.retires {
                    models.push((&entry.model, (retires - day).num_days()));
                }
                if is_alive(entry, day) {
                    break;
                }
            }
        }
        models.sort_unstable();
        // The first of its entries that goes.
        models.dedup_by_key(|(model, _)| *model);
        models
    }

    /// Those that come after `id`, the nearest first. They form no circle (checked), so this ends.
    pub(super) fn successors(&self, id: &EntryId) -> impl Iterator<Item = (&EntryId, &Entry)> {
        let next = |entry: &Entry| {
            entry.successor.as_ref().and_then(|successor| self.entry.get_key_value(successor))
        };
        std::iter::successors(self.entry.get(id).and_then(next), move |(_, entry)| next(entry))
    }
}

/// Whether it can make a render of so many pictures. A lane that it has not got is no hindrance while it
/// has the Online one.
fn serves(entry: &Entry, pictures: usize, lane: Lane, day: NaiveDate) -> bool {
    (entry.online.is_some() || entry.backend(lane).is_some())
        && pictures <= entry.max_pictures as usize
        && is_alive(entry, day)
}

/// Whether it has not retired by `day`.
pub(super) fn is_alive(entry: &Entry, day: NaiveDate) -> bool {
    entry.retires.is_none_or(|retires| day < retires)
}
