//! Where renders go when they arrive: pure, so that every store appends alike.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Batch, BatchStatus, SealReason};
use crate::{catalogue::BatchKey, ids::BatchId, messages::RenderOrder};

/// How long past its time a batch may stand before somebody else looks after it.
pub(super) const GRACE: TimeDelta = TimeDelta::seconds(60);
/// How long a batch that was handed on may go without being heard of.
pub(super) const STALL: TimeDelta = TimeDelta::seconds(600);
/// How long a job may run without news before its end is asked for again.
pub(super) const SILENCE: TimeDelta = TimeDelta::hours(1);

/// From so many open jobs on, whose limit at Google is 100, batches stay open.
pub const MANY_JOBS: u64 = 90;
/// What a batch is left of its first render's time, however many jobs are open.
const TIME_FOR_JOB: TimeDelta = TimeDelta::minutes(30);
/// How long a batch that stays open for others' sake goes on before it is looked at again.
pub(super) const CROWDED: TimeDelta = TimeDelta::seconds(15);

/// When a batch is full or late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPolicy {
    /// `max-batch-size`, 1 to 50.
    pub max_renders: usize,
    /// `batch-timeout-ms`.
    pub timeout: TimeDelta,
    /// Input pictures a batch may carry: 256 MB.
    pub max_input_bytes: u64,
}

impl Default for BatchPolicy {
    fn default() -> Self {
        Self {
            max_renders: 50,
            timeout: TimeDelta::milliseconds(45_000),
            max_input_bytes: 256_000_000,
        }
    }
}

/// Adds `orders` to the open batch of `key`, sealing and opening batches on the way. Returns every
/// batch that changed or is new (version 0); at most the last of them is open.
pub fn plan_append(
    key: &BatchKey,
    open: Option<Batch>,
    orders: impl IntoIterator<Item = RenderOrder>,
    now: DateTime<Utc>,
    policy: &BatchPolicy,
    mut new_id: impl FnMut() -> BatchId,
) -> Vec<Batch> {
    let mut done = Vec::new();
    let (mut current, mut added) = (open, false);
    for order in orders {
        let bytes = order.input_bytes();
        // Already too many where the size was lowered while it was open.
        seal_if(&mut current, &mut done, SealReason::Count, now, |b| b.is_full(policy));
        seal_if(&mut current, &mut done, SealReason::Bytes, now, |b| {
            !b.has_room_for(bytes, policy)
        });
        let batch = current.get_or_insert_with(|| Batch::new(new_id(), key.clone(), now, policy));
        batch.input_bytes += bytes;
        batch.orders.push(order);
        seal_if(&mut current, &mut done, SealReason::Count, now, |b| b.is_full(policy));
        added = true;
    }
    done.extend(current.filter(|_| added));
    done
}

/// Moves the batch from `current` to `done`, sealed, where it is `full`.
fn seal_if(
    current: &mut Option<Batch>,
    done: &mut Vec<Batch>,
    reason: SealReason,
    now: DateTime<Utc>,
    full: impl Fn(&Batch) -> bool,
) {
    if let Some(mut batch) = current.take_if(|batch| full(batch)) {
        batch.seal(reason, now);
        done.push(batch);
    }
}

impl Batch {
    fn new(id: BatchId, key: BatchKey, now: DateTime<Utc>, policy: &BatchPolicy) -> Self {
        Self {
            id,
            version: 0,
            key,
            orders: Vec::new(),
            input_bytes: 0,
            opened_at: now,
            seal_at: now + policy.timeout,
            sealed: None,
            status: BatchStatus::Open,
            outcomes: Vec::new(),
            retries: 0,
            owes_send: true,
            due_at: Some(now + GRACE),
        }
    }

    fn is_full(&self, policy: &BatchPolicy) -> bool {
        self.orders.len() >= policy.max_renders
    }

    fn has_room_for(&self, bytes: u64, policy: &BatchPolicy) -> bool {
        self.input_bytes + bytes <= policy.max_input_bytes
    }

    /// Whether the time alone would seal it.
    pub fn is_late(&self, now: DateTime<Utc>) -> bool {
        self.status == BatchStatus::Open && now >= self.seal_at
    }

    /// When a tick should look at it again.
    pub fn next_tick(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        if self.is_late(now) { now + CROWDED } else { self.seal_at }
    }

    /// Until when it can stay open for others' sake.
    fn latest_seal(&self) -> DateTime<Utc> {
        let earliest = self.orders.iter().map(|order| order.wait_until).min();
        earliest.map_or(self.seal_at, |earliest| earliest - TIME_FOR_JOB)
    }

    /// What a tick at `now` finds while so many jobs are open: sealed, still early, or nothing to do.
    pub fn tick(&mut self, now: DateTime<Utc>, jobs: u64) -> Tick {
        match self.status {
            BatchStatus::Open
                if self.is_late(now) && (jobs < MANY_JOBS || now >= self.latest_seal()) =>
            {
                self.seal(SealReason::Time, now);
                Tick::Sealed
            }
            BatchStatus::Open => Tick::Early,
            _ => Tick::Closed,
        }
    }
}

/// What a seal tick found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// The time had come; the row must be written.
    Sealed,
    /// Delays are whole seconds and capped, or too many jobs are open: the tick sends itself again.
    Early,
    /// Count or bytes were first.
    Closed,
}
