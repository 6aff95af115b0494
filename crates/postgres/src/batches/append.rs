use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::Connection;
use tryon_core::{
    batch::{Batch, BatchPolicy, plan_append},
    catalogue::BatchKey,
    ids::{BatchId, RenderId},
    messages::RenderOrder,
    ports::{PortError, Random},
    render::Render,
};

use super::{lock_open, put};
use crate::{Database, errors::Failure, lease::Lease, locks::Lock, renders};

/// Others may be in the way that do not take the key's lock; not for long.
const TRIES: usize = 3;

/// Orders that want to join the open batch of a key.
pub(super) struct Arrival<'a> {
    pub(super) key: &'a BatchKey,
    pub(super) orders: Vec<RenderOrder>,
    pub(super) now: DateTime<Utc>,
    pub(super) policy: &'a BatchPolicy,
    pub(super) random: &'a dyn Random,
}

impl Arrival<'_> {
    /// The batches that changed.
    pub(super) async fn join(self, database: &Database) -> Result<Vec<Batch>, Failure> {
        for _ in 0..TRIES {
            let mut lease = database.lease().await?;
            match self.join_once(&mut lease).await {
                Ok(changed) => {
                    lease.end();
                    return Ok(changed);
                }
                Err(failure) if failure.is_race() => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(PortError::Unavailable(format!("the open batch of {} is busy", self.key)).into())
    }

    /// One transaction. The renders are locked first, in the order of their ids, and the key only once
    /// they are read: it is what everybody waits for.
    async fn join_once(&self, lease: &mut Lease) -> Result<Vec<Batch>, Failure> {
        let mut transaction = lease.begin().await?;
        let ids: Vec<_> = self.orders.iter().map(|order| order.render_id.clone()).collect();
        let rows = renders::lock(&mut transaction, &ids).await?;
        let mut waiting: BTreeMap<RenderId, Render> =
            rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        let mut joining = Vec::new();
        let mut joined = Vec::new();
        // A message may carry an order twice, or once more after it was gathered.
        for order in &self.orders {
            let awaited = waiting.get(&order.render_id).is_some_and(|row| row.awaits(order));
            if awaited && let Some(row) = waiting.remove(&order.render_id) {
                joining.push(order.clone());
                joined.push(row);
            }
        }
        if joining.is_empty() {
            transaction.rollback().await?;
            return Ok(Vec::new());
        }
        Lock::Key(self.key).take(&mut transaction).await?;
        let open = lock_open(&mut transaction, self.key).await?;
        let new_id = || BatchId::generate(self.random, self.now);
        let mut changed = plan_append(self.key, open, joining, self.now, self.policy, new_id);
        let mut attempts = BTreeMap::new();
        for batch in &mut changed {
            batch.version += 1;
            for order in &batch.orders {
                attempts.insert(order.render_id.clone(), batch.attempt());
            }
        }
        let joined: Vec<_> = joined
            .into_iter()
            .filter_map(|row| Some(row.clone().joined(attempts.remove(&row.id)?)))
            .collect();
        put(&mut transaction, &changed, &joined).await?;
        transaction.commit().await?;
        Ok(changed)
    }
}
