use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use tracing::error;
use tryon_core::{
    attempt::Attempt,
    ids::{AttemptId, SHARDS},
    ports::PortError,
};

use super::{DynamoAttempts, Item, item, number, text, unbuilt};
use crate::errors::port_error;

/// How many rows one call may read.
const PAGE: usize = 100;

impl DynamoAttempts {
    /// Asks the index, which may be behind, then reads the rows themselves.
    pub(super) async fn find_due(
        &self,
        now: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<Attempt>, PortError> {
        let shards = (0..SHARDS).map(|shard| self.due_in(shard, now, most));
        let mut found: Vec<_> = try_join_all(shards).await?.into_iter().flatten().collect();
        found.sort();
        // The index may show a row at its old time and at its new one; a call may name it once.
        let mut seen = BTreeSet::new();
        found.retain(|(_, id)| seen.insert(id.clone()));
        found.truncate(most);
        let pages = found.chunks(PAGE).map(|page| self.read(page));
        let mut due: Vec<_> = try_join_all(pages).await?.into_iter().flatten().collect();
        due.retain(|attempt| attempt.due_at.is_some_and(|at| at <= now));
        due.sort_by(|a, b| (a.due_at, &a.id).cmp(&(b.due_at, &b.id)));
        Ok(due)
    }

    /// What the index has for one shard, the longest due first: when (epoch milliseconds), and which.
    async fn due_in(
        &self,
        shard: u32,
        now: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<(u64, AttemptId)>, PortError> {
        let answer = self
            .clients
            .dynamodb()
            .query()
            .table_name(&self.tables.attempts)
            .index_name("due")
            .key_condition_expression("due_shard = :shard AND due_at <= :now")
            .expression_attribute_values(":shard", number(shard))
            .expression_attribute_values(":now", number(now.timestamp_millis()))
            .limit(i32::try_from(most).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| port_error("Query", &error))?;
        let entry = |entry| -> Result<_, item::Unreadable> {
            Ok((item::number_of(entry, item::DUE_AT)?.unwrap_or_default(), item::id(entry)?))
        };
        let entries: Result<_, _> = answer.items().iter().map(entry).collect();
        entries.map_err(|unreadable| unreadable.in_row(&self.tables.attempts, "of the index"))
    }

    /// The rows as they are now. One that cannot be read is left to ops: it must not keep the others
    /// from being looked after.
    async fn read(&self, page: &[(u64, AttemptId)]) -> Result<Vec<Attempt>, PortError> {
        let table = &self.tables.attempts;
        let key = |id: &AttemptId| Item::from([(item::ID.to_owned(), text(id.as_str()))]);
        let mut keys: Vec<_> = page.iter().map(|(_, id)| key(id)).collect();
        let mut patience = self.patience();
        let mut attempts = Vec::new();
        loop {
            let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
            let answer = self
                .clients
                .dynamodb()
                .batch_get_item()
                .request_items(table, wanted.build().map_err(|error| unbuilt(&error))?)
                .send()
                .await
                .map_err(|error| port_error("BatchGetItem", &error))?;
            let rows = answer.responses.unwrap_or_default().remove(table).unwrap_or_default();
            for row in rows {
                match item::to_attempt(&row) {
                    Ok(attempt) => attempts.push(attempt),
                    Err(unreadable) => {
                        let id = item::id(&row).ok();
                        error!(table, ?id, %unreadable, "an attempt that is due cannot be read");
                    }
                }
            }
            let unprocessed = answer.unprocessed_keys.unwrap_or_default().remove(table);
            keys = unprocessed.map(|rest| rest.keys).unwrap_or_default();
            if keys.is_empty() {
                return Ok(attempts);
            }
            if !patience.wait().await {
                let reason = "BatchGetItem: some rows were never read".to_owned();
                return Err(PortError::Unavailable(reason));
            }
        }
    }
}
