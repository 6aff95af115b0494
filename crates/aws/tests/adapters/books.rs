use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use futures_util::future::join_all;
use proptest::test_runner::{Config, TestRunner};
use tokio::sync::{Semaphore, SemaphorePermit};
use tryon_aws::{Clients, DynamoAttempts};
use tryon_core::{
    attempt::{Attempt, AttemptWrite},
    budget::Balances,
    contract::{attempts, attempts_model},
    ids::AttemptId,
    memory::{Chaos, MemoryAttempts},
    ports::{Attempts, Ledger, PortError, Written},
};

use crate::tables;

#[tokio::test]
#[ignore = "needs the emulated AWS: tests/with-services"]
async fn attempts_and_the_ledger() {
    attempts::suite(&InTurn::of(1).await).await;
}

#[tokio::test]
#[ignore = "needs the emulated AWS: tests/with-services"]
async fn attempts_and_the_ledger_of_eight_clients() {
    attempts::suite(&InTurn::of(8).await).await;
}

#[test]
#[ignore = "needs the emulated AWS: tests/with-services"]
fn random_operations_find_memory_and_dynamodb_agreed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner =
        TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let agree = async |ops| {
        let memory = MemoryAttempts::new(Chaos::seeded(7).into());
        attempts_model::agree(&[&memory, &InTurn::of(1).await], ops).await
    };
    runner.run(&attempts_model::ops(60), |ops| runtime.block_on(agree(ops))).unwrap();
}

/// Calls to the emulator under way at once, of all tests together: the thousand of a race would not
/// all get a connection of their own in time.
static LINE: Semaphore = Semaphore::const_new(64);

/// Several clients of the same tables, each call by the next one.
#[derive(Debug)]
struct InTurn {
    each: Vec<DynamoAttempts>,
    turn: AtomicUsize,
}

impl InTurn {
    async fn of(clients: usize) -> Self {
        let tables = tables::create(&Clients::from_env().await).await;
        let each = (0..clients).map(async |_| tables::adapter(Clients::from_env().await, &tables));
        Self { each: join_all(each).await, turn: AtomicUsize::new(0) }
    }

    async fn next(&self) -> (&DynamoAttempts, SemaphorePermit<'static>) {
        let permit = LINE.acquire().await.unwrap();
        (&self.each[self.turn.fetch_add(1, Ordering::Relaxed) % self.each.len()], permit)
    }
}

#[async_trait]
impl Attempts for InTurn {
    async fn get(&self, id: &AttemptId) -> Result<Option<Attempt>, PortError> {
        let (client, _permit) = self.next().await;
        client.get(id).await
    }

    async fn write(&self, write: &AttemptWrite) -> Result<Written, PortError> {
        let (client, _permit) = self.next().await;
        client.write(write).await
    }

    async fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Attempt>, PortError> {
        let (client, _permit) = self.next().await;
        client.due(now, most).await
    }
}

#[async_trait]
impl Ledger for InTurn {
    async fn balances(&self, date: NaiveDate) -> Result<Balances, PortError> {
        let (client, _permit) = self.next().await;
        client.balances(date).await
    }
}
