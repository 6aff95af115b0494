use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    ops::Bound,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    chaos::{Call, Chaos, Mishap},
    lock, opaque_debug,
    table::Table,
};
use crate::{
    batch::{Batch, BatchPolicy, BatchStatus, plan_append},
    catalogue::BatchKey,
    gates::{Observed, Tally},
    ids::{BatchId, RenderId, UserId},
    messages::RenderOrder,
    ops::Share,
    ports::{
        Batches, HourlyLimit, Inserted, MOST_OBSERVED, Observations, PortError, Random, Ratings,
        Renders,
    },
    rating::Rating,
    render::{Render, RenderStatus},
};

/// Render and batch rows, which change together.
pub struct MemoryDatabase {
    chaos: Arc<Chaos>,
    tables: Mutex<Tables>,
}

opaque_debug!(MemoryDatabase);

#[derive(Default)]
struct Tables {
    renders: Table<Render>,
    by_key: BTreeMap<(UserId, String), RenderId>,
    by_user: BTreeMap<UserId, BTreeSet<RenderId>>,
    ratings: BTreeMap<RenderId, Rating>,
    /// What the gates saw of renders that were archived.
    observed: BTreeMap<RenderId, Observed>,
    batches: Table<Batch>,
    /// At most one batch of a key is open.
    open: BTreeMap<BatchKey, BatchId>,
}

impl MemoryDatabase {
    pub fn new(chaos: Arc<Chaos>) -> Self {
        Self { chaos, tables: Mutex::default() }
    }

    /// Every render row, by id.
    pub fn renders(&self) -> Vec<Render> {
        lock(&self.tables).renders.all().cloned().collect()
    }

    /// Every rating, by render.
    pub fn ratings(&self) -> BTreeMap<RenderId, Rating> {
        lock(&self.tables).ratings.clone()
    }

    /// Every batch row, by id.
    pub fn batches(&self) -> Vec<Batch> {
        lock(&self.tables).batches.all().cloned().collect()
    }

    /// Takes out the renders and batches that ended before `before` and owe nothing, so that long
    /// simulations stay flat.
    pub fn archive(&self, before: DateTime<Utc>) -> (Vec<Render>, Vec<Batch>) {
        let mut tables = lock(&self.tables);
        let long_over = |render: &Render| {
            is_over(render) && render.status.ended_at().is_some_and(|at| at < before)
        };
        tables.remember(long_over);
        let renders = tables.take_out(long_over);
        let batches = tables.batches.archive(|batch| match batch.status {
            BatchStatus::Completed { at } | BatchStatus::Failed { at } => at < before,
            _ => false,
        });
        (renders, batches)
    }
}

#[async_trait]
impl Renders for MemoryDatabase {
    async fn insert(&self, render: Render, limit: HourlyLimit) -> Result<Inserted, PortError> {
        self.chaos.call(Call::RenderInsert, |_| lock(&self.tables).insert(render, limit)).await
    }

    async fn list(
        &self,
        user: &UserId,
        before: Option<&RenderId>,
        most: usize,
    ) -> Result<Vec<Render>, PortError> {
        self.chaos
            .call(Call::RenderList, |_| {
                let tables = lock(&self.tables);
                let end = before.map_or(Bound::Unbounded, Bound::Excluded);
                let ids = tables.by_user.get(user).into_iter();
                let ids =
                    ids.flat_map(|ids| ids.range::<RenderId, _>((Bound::Unbounded, end)).rev());
                Ok(ids.filter_map(|id| tables.renders.get(id).cloned()).take(most).collect())
            })
            .await
    }

    async fn by_key(&self, user: &UserId, key: &str) -> Result<Option<Render>, PortError> {
        self.chaos
            .call(Call::RenderGet, |_| {
                let tables = lock(&self.tables);
                let id = tables.by_key.get(&(user.clone(), key.to_owned()));
                Ok(id.and_then(|id| tables.renders.get(id)).cloned())
            })
            .await
    }

    async fn get(&self, ids: &[RenderId]) -> Result<Vec<Render>, PortError> {
        self.chaos
            .call(Call::RenderGet, |_| {
                let tables = lock(&self.tables);
                Ok(ids.iter().filter_map(|id| tables.renders.get(id).cloned()).collect())
            })
            .await
    }

    async fn update(&self, renders: &[Render]) -> Result<Vec<bool>, PortError> {
        self.chaos
            .call(Call::RenderUpdate, |fate| {
                let mut tables = lock(&self.tables);
                let unlucky = fate.is(Mishap::Conflict).then(|| fate.choose(renders.len()));
                let write = |(i, row)| Some(i) != unlucky && tables.renders.replace(row);
                Ok(renders.iter().enumerate().map(write).collect())
            })
            .await
    }

    async fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Render>, PortError> {
        self.chaos.call(Call::RenderDue, |_| Ok(lock(&self.tables).renders.due(now, most))).await
    }

    async fn shares(&self, since: DateTime<Utc>) -> Result<Vec<Share>, PortError> {
        self.chaos
            .call(Call::RenderShares, |_| {
                let mut shares: BTreeMap<_, Share> = BTreeMap::new();
                for render in lock(&self.tables).renders.all() {
                    if render.accepted_at < since {
                        continue;
                    }
                    let Render { assigned, served, lane, .. } = *render;
                    let none =
                        Share { assigned, served, lane, renders: 0, succeeded: 0, failed: 0 };
                    let share = shares.entry((assigned, served, lane)).or_insert(none);
                    share.renders += 1;
                    match render.status {
                        RenderStatus::Succeeded { .. } => share.succeeded += 1,
                        RenderStatus::Failed { .. } => share.failed += 1,
                        _ => {}
                    }
                }
                Ok(shares.into_values().collect())
            })
            .await
    }

    async fn erase(&self, ids: &[RenderId]) -> Result<u64, PortError> {
        self.chaos
            .call(Call::RenderErase, |_| {
                let mut tables = lock(&self.tables);
                Ok(tables.take_out(|render| is_over(render) && ids.contains(&render.id)).len()
                    as u64)
            })
            .await
    }
}

#[async_trait]
impl Ratings for MemoryDatabase {
    async fn rate(
        &self,
        render: &RenderId,
        rating: Rating,
        _now: DateTime<Utc>,
    ) -> Result<Option<Rating>, PortError> {
        self.chaos
            .call(Call::RenderRate, |_| {
                let mut tables = lock(&self.tables);
                let known = tables.renders.get(render).is_some();
                Ok(known.then(|| *tables.ratings.entry(render.clone()).or_insert(rating)))
            })
            .await
    }
}

#[async_trait]
impl Observations for MemoryDatabase {
    async fn observe(&self, since: DateTime<Utc>, mut tally: Tally) -> Result<Tally, PortError> {
        self.chaos
            .call(Call::RenderObserve, move |_| {
                let tables = lock(&self.tables);
                let rating = |id| tables.ratings.get(id).copied();
                let live = tables.renders.all().rev();
                let live = live.filter_map(|render| Observed::of(render, rating(&render.id)));
                let over = tables.observed.values().rev().cloned();
                // Those that are over are older, as far as matters.
                let all = live.chain(over).filter(|seen| seen.accepted_at >= since);
                all.take(MOST_OBSERVED).for_each(|seen| tally.add(&seen));
                Ok(tally)
            })
            .await
    }
}

#[async_trait]
impl Batches for MemoryDatabase {
    async fn append(
        &self,
        key: &BatchKey,
        orders: Vec<RenderOrder>,
        now: DateTime<Utc>,
        policy: &BatchPolicy,
        random: &dyn Random,
    ) -> Result<Vec<Batch>, PortError> {
        self.chaos
            .call(Call::BatchAppend, |_| {
                Ok(lock(&self.tables).append(key, orders, now, policy, random))
            })
            .await
    }

    async fn get(&self, id: &BatchId) -> Result<Option<Batch>, PortError> {
        self.chaos.call(Call::BatchGet, |_| Ok(lock(&self.tables).batches.get(id).cloned())).await
    }

    async fn open(&self) -> Result<u64, PortError> {
        self.chaos.call(Call::BatchCount, |_| Ok(lock(&self.tables).open.len() as u64)).await
    }

    async fn jobs(&self) -> Result<u64, PortError> {
        let has_job = |batch: &&Batch| {
            matches!(batch.status, BatchStatus::Submitted { .. } | BatchStatus::Processing { .. })
        };
        let count = |_| Ok(lock(&self.tables).batches.all().filter(has_job).count() as u64);
        self.chaos.call(Call::BatchCount, count).await
    }

    async fn under_way(&self, most: usize) -> Result<Vec<Batch>, PortError> {
        let goes_on = |batch: &&Batch| !batch.status.is_over();
        let look = |_| {
            let tables = lock(&self.tables);
            Ok(tables.batches.all().filter(goes_on).take(most).cloned().collect())
        };
        self.chaos.call(Call::BatchLook, look).await
    }

    async fn of_render(
        &self,
        render: &RenderId,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<Batch>, PortError> {
        let joined = |batch: &&Batch| {
            (from..=to).contains(&batch.opened_at)
                && batch.orders.iter().any(|order| order.render_id == *render)
        };
        let look = |_| Ok(lock(&self.tables).batches.all().filter(joined).cloned().collect());
        self.chaos.call(Call::BatchLook, look).await
    }

    async fn update(&self, batch: &Batch) -> Result<bool, PortError> {
        self.chaos
            .call(Call::BatchUpdate, |fate| {
                let mut tables = lock(&self.tables);
                let written = !fate.is(Mishap::Conflict) && tables.batches.replace(batch);
                if written {
                    tables.index_open(batch);
                }
                Ok(written)
            })
            .await
    }

    async fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Batch>, PortError> {
        self.chaos.call(Call::BatchDue, |_| Ok(lock(&self.tables).batches.due(now, most))).await
    }
}

/// Whether nobody has anything left to do for it.
fn is_over(render: &Render) -> bool {
    render.is_ended() && render.owed.is_empty() && render.open_attempts.is_empty()
}

impl Tables {
    fn take_out(&mut self, which: impl Fn(&Render) -> bool) -> Vec<Render> {
        let renders = self.renders.archive(which);
        for render in &renders {
            self.by_key.remove(&(render.user_id.clone(), render.idempotency_key.clone()));
            self.forget_user(render);
            self.ratings.remove(&render.id);
        }
        renders
    }

    fn insert(&mut self, mut render: Render, limit: HourlyLimit) -> Result<Inserted, PortError> {
        let key = (render.user_id.clone(), render.idempotency_key.clone());
        if let Some(existing) = self.by_key.get(&key).and_then(|id| self.renders.get(id)) {
            return Ok(Inserted::Existing(Box::new(existing.clone())));
        }
        if self.renders.get(&render.id).is_some() {
            return Err(PortError::Broken(format!("render {} exists already", render.id)));
        }
        if let Some(again_at) = self.limited(&render.user_id, limit) {
            return Ok(Inserted::Limited { again_at });
        }
        render.version = 1;
        self.by_key.insert(key, render.id.clone());
        self.by_user.entry(render.user_id.clone()).or_default().insert(render.id.clone());
        self.renders.put(render);
        Ok(Inserted::New)
    }

    /// When the user's next render fits, where it does not fit now: once the oldest of the last so many
    /// is an hour old. Ids are in the order of acceptance.
    fn limited(&self, user: &UserId, limit: HourlyLimit) -> Option<DateTime<Utc>> {
        let hour = TimeDelta::hours(1);
        let Some(back) = (limit.most as usize).checked_sub(1) else {
            return Some(limit.since + hour + hour);
        };
        let ids = self.by_user.get(user).filter(|ids| ids.len() > back)?;
        let first = ids.iter().rev().nth(back).and_then(|id| self.renders.get(id))?;
        (first.accepted_at > limit.since).then_some(first.accepted_at + hour)
    }

    fn remember(&mut self, which: impl Fn(&Render) -> bool) {
        for render in self.renders.all().filter(|render| which(render)) {
            let rating = self.ratings.get(&render.id).copied();
            if let Some(seen) = Observed::of(render, rating) {
                self.observed.insert(render.id.clone(), seen);
            }
        }
    }

    fn forget_user(&mut self, render: &Render) {
        if let Entry::Occupied(mut ids) = self.by_user.entry(render.user_id.clone()) {
            ids.get_mut().remove(&render.id);
            if ids.get().is_empty() {
                ids.remove();
            }
        }
    }

    fn append(
        &mut self,
        key: &BatchKey,
        mut orders: Vec<RenderOrder>,
        now: DateTime<Utc>,
        policy: &BatchPolicy,
        random: &dyn Random,
    ) -> Vec<Batch> {
        // A message may carry an order twice, or once more after it was gathered.
        let mut joining = BTreeSet::new();
        orders.retain(|order| self.is_awaited(order) && joining.insert(order.render_id.clone()));
        if orders.is_empty() {
            return Vec::new();
        }
        // With an order to place, the plan always gives the open batch back.
        let open = self.open.get(key).and_then(|id| self.batches.take(id));
        let new_id = || BatchId::generate(random, now);
        let mut changed = plan_append(key, open, orders, now, policy, new_id);
        for batch in &mut changed {
            batch.version += 1;
            for order in &batch.orders {
                let awaited = self.is_awaited(order);
                let render = self.renders.get(&order.render_id).filter(|_| awaited).cloned();
                if let Some(mut joined) = render.map(|render| render.joined(batch.attempt())) {
                    joined.version += 1;
                    self.renders.put(joined);
                }
            }
            self.index_open(batch);
            self.batches.put(batch.clone());
        }
        changed
    }

    fn is_awaited(&self, order: &RenderOrder) -> bool {
        self.renders.get(&order.render_id).is_some_and(|render| render.awaits(order))
    }

    fn index_open(&mut self, batch: &Batch) {
        if batch.status == BatchStatus::Open {
            self.open.insert(batch.key.clone(), batch.id.clone());
        } else if self.open.get(&batch.key) == Some(&batch.id) {
            self.open.remove(&batch.key);
        }
    }
}
