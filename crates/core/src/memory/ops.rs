use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    chaos::{Call, Chaos},
    lock, opaque_debug,
};
use crate::{
    audit::AuditEntry,
    ids::AuditId,
    ports::{Audit, PortError},
};

/// What was done, by id.
pub struct MemoryAudit {
    chaos: Arc<Chaos>,
    entries: Mutex<BTreeMap<AuditId, AuditEntry>>,
}

opaque_debug!(MemoryAudit);

impl MemoryAudit {
    pub fn new(chaos: Arc<Chaos>) -> Self {
        Self { chaos, entries: Mutex::default() }
    }

    async fn read(
        &self,
        since: DateTime<Utc>,
        most: usize,
        wanted: impl Fn(&AuditEntry) -> bool + Send + Sync,
    ) -> Result<Vec<AuditEntry>, PortError> {
        self.chaos
            .call(Call::AuditRead, |_| {
                let entries = lock(&self.entries);
                let recent = entries.values().filter(|entry| entry.at >= since && wanted(entry));
                let mut found: Vec<_> = recent.cloned().collect();
                found.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
                found.truncate(most);
                Ok(found)
            })
            .await
    }
}

#[async_trait]
impl Audit for MemoryAudit {
    async fn record(&self, entry: &AuditEntry) -> Result<bool, PortError> {
        self.chaos
            .call(Call::AuditRecord, |_| {
                let mut entries = lock(&self.entries);
                let new = !entries.contains_key(&entry.id);
                if new {
                    entries.insert(entry.id.clone(), entry.clone());
                }
                Ok(new)
            })
            .await
    }

    async fn recent(
        &self,
        since: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<AuditEntry>, PortError> {
        self.read(since, most, |_| true).await
    }

    async fn acts(
        &self,
        kinds: &[&str],
        since: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<AuditEntry>, PortError> {
        self.read(since, most, |entry| kinds.contains(&entry.act.kind())).await
    }
}
