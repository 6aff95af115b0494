use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use super::{PortError, Random};
use crate::{
    attempt::{Attempt, AttemptWrite},
    batch::{Batch, BatchPolicy},
    budget::{Account, Balance, Balances},
    catalogue::BatchKey,
    ids::{AttemptId, BatchId, RenderId, UserId},
    messages::RenderOrder,
    ops::Share,
    render::Render,
};

/// What a conditional write met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    Done,
    /// Another writer was first: read again and decide again.
    Conflict,
    /// The reservation does not fit; with the balance it met.
    NoHeadroom(Balance),
}

/// What an insert met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted {
    New,
    /// The user used this idempotency key before: the render it made.
    Existing(Box<Render>),
    /// The user has as many renders as an hour may bring; the next one fits at `again_at`.
    Limited {
        again_at: DateTime<Utc>,
    },
}

/// How many renders of one user an hour may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourlyLimit {
    /// An hour before now: renders accepted after it count.
    pub since: DateTime<Utc>,
    pub most: u32,
}

/// Render rows.
#[async_trait]
pub trait Renders: Send + Sync + std::fmt::Debug {
    /// Inserts by `(user_id, idempotency_key)`, within the limit; the row gets version 1. A key that
    /// was used before counts before the limit does.
    async fn insert(&self, render: Render, limit: HourlyLimit) -> Result<Inserted, PortError>;
    /// The user's own renders, the newest first, at most `most`, from before `before` where given. Ids
    /// are in the order of acceptance.
    async fn list(
        &self,
        user: &UserId,
        before: Option<&RenderId>,
        most: usize,
    ) -> Result<Vec<Render>, PortError>;
    /// The render that the user made with this idempotency key.
    async fn by_key(&self, user: &UserId, key: &str) -> Result<Option<Render>, PortError>;
    /// The rows that exist, in any order.
    async fn get(&self, ids: &[RenderId]) -> Result<Vec<Render>, PortError>;
    /// Replaces each row that still has `version`, which becomes one more; answers row by row, in the
    /// order given: `false` where another writer was first.
    async fn update(&self, renders: &[Render]) -> Result<Vec<bool>, PortError>;
    /// Rows whose `due_at` lies at or before `now`, the longest due first.
    async fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Render>, PortError>;
    /// Which ways the renders went that were accepted at `since` or later.
    async fn shares(&self, since: DateTime<Utc>) -> Result<Vec<Share>, PortError>;
    /// Deletes those of the rows that have ended, owe nothing and wait for no attempt; how many.
    async fn erase(&self, ids: &[RenderId]) -> Result<u64, PortError>;
}

/// Batch rows.
#[async_trait]
pub trait Batches: Send + Sync + std::fmt::Debug {
    /// Gathers orders into the open batch of `key` by [`plan_append`](crate::batch::plan_append), in
    /// one transaction with the render rows, each of which joins the batch's attempt. Orders whose
    /// render is not waiting for this try are left out. Returns the batches that changed.
    async fn append(
        &self,
        key: &BatchKey,
        orders: Vec<RenderOrder>,
        now: DateTime<Utc>,
        policy: &BatchPolicy,
        random: &dyn Random,
    ) -> Result<Vec<Batch>, PortError>;
    async fn get(&self, id: &BatchId) -> Result<Option<Batch>, PortError>;
    /// How many batches are open to more renders.
    async fn open(&self) -> Result<u64, PortError>;
    /// How many batches have a job at Google that is not done.
    async fn jobs(&self) -> Result<u64, PortError>;
    /// Batches that have not ended, the oldest first.
    async fn under_way(&self, most: usize) -> Result<Vec<Batch>, PortError>;
    /// Batches that the render joined and that were opened from `from` on, up to `to`.
    async fn of_render(
        &self,
        render: &RenderId,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<Batch>, PortError>;
    /// Replaces the row if it still has `version`, which becomes one more.
    async fn update(&self, batch: &Batch) -> Result<bool, PortError>;
    /// Rows whose `due_at` lies at or before `now`, the longest due first.
    async fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Batch>, PortError>;
}

/// Attempts and the ledger, which change together in one transaction.
#[async_trait]
pub trait Attempts: Send + Sync + std::fmt::Debug {
    async fn get(&self, id: &AttemptId) -> Result<Option<Attempt>, PortError>;
    /// Makes the write and moves its money, or does neither.
    async fn write(&self, write: &AttemptWrite) -> Result<Written, PortError>;
    /// Attempts whose `due_at` lies at or before `now`, the longest due first.
    async fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Attempt>, PortError>;
}

/// Reading the ledger.
#[async_trait]
pub trait Ledger: Send + Sync + std::fmt::Debug {
    /// What both accounts hold on `date`, in one read where the store has them side by side.
    async fn balances(&self, date: NaiveDate) -> Result<Balances, PortError>;
    /// What `account` alone holds.
    async fn balance(&self, account: Account, date: NaiveDate) -> Result<Balance, PortError> {
        Ok(*self.balances(date).await?.of(account))
    }
}
