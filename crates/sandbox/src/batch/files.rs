use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync;

use super::rows::{Reader, Row};
use crate::{lots, shelf::lock};

/// Uploaded files live so long.
const LIFE: TimeDelta = TimeDelta::hours(48);

/// Files uploaded, and those being uploaded.
#[derive(Debug, Default)]
pub(crate) struct Files {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    count: u64,
    uploads: HashMap<String, Slot>,
    files: HashMap<String, Arc<File>>,
}

#[derive(Debug)]
struct Slot {
    begun: DateTime<Utc>,
    upload: Arc<sync::Mutex<Upload>>,
}

#[derive(Debug)]
pub(super) struct Upload {
    pub(super) display_name: String,
    pub(super) mime: String,
    /// The length announced, in bytes.
    pub(super) announced: Option<u64>,
    pub(super) received: u64,
    pub(super) reader: Reader,
}

#[derive(Debug)]
pub(super) struct File {
    /// `files/ID`
    pub(super) name: String,
    pub(super) created: DateTime<Utc>,
    pub(super) rows: Vec<Row>,
}

impl Files {
    /// Begins an upload and returns its id.
    pub(super) fn begin(&self, upload: Upload, seed: u64, now: DateTime<Utc>) -> String {
        let mut state = lock(&self.state);
        state.count += 1;
        let id = lots::name(seed, "file", &state.count.to_le_bytes(), 12);
        let upload = Arc::new(sync::Mutex::new(upload));
        state.uploads.insert(id.clone(), Slot { begun: now, upload });
        id
    }

    pub(super) fn upload(&self, id: &str) -> Option<Arc<sync::Mutex<Upload>>> {
        lock(&self.state).uploads.get(id).map(|slot| slot.upload.clone())
    }

    /// Turns an upload into a file.
    pub(super) fn finish(&self, id: &str, rows: Vec<Row>, now: DateTime<Utc>) -> Arc<File> {
        let file = Arc::new(File { name: format!("files/{id}"), created: now, rows });
        let mut state = lock(&self.state);
        state.uploads.remove(id);
        state.files.insert(file.name.clone(), file.clone());
        file
    }

    pub(super) fn file(&self, name: &str) -> Option<Arc<File>> {
        lock(&self.state).files.get(name).cloned()
    }

    /// Drops what is too old, and the files of finished jobs.
    pub(super) fn sweep(&self, finished: &BTreeSet<String>, now: DateTime<Utc>) {
        let mut state = lock(&self.state);
        state.uploads.retain(|_, slot| now - slot.begun < LIFE);
        state.files.retain(|name, file| now - file.created < LIFE && !finished.contains(name));
    }
}
