//! An emulated AWS that stands still in the middle of a call, as a service does behind a broken
//! network. In a binary of its own: every other test would stand still too.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "adapters/tables.rs"]
mod tables;

use std::{process::Command, time::Duration};

use chrono::TimeDelta;
use futures_util::future::join;
use tryon_aws::Clients;
use tryon_core::{
    budget::Account,
    contract::fixtures::{attempt, start},
    memory::TokioClock,
    money::Micros,
    ports::{Attempts, Clock, Ledger, PortError, Written},
};

#[tokio::test]
#[ignore = "needs the emulated AWS: tests/with-services"]
async fn a_frozen_service_ends_in_unavailable_and_loses_nothing() {
    let clock = TokioClock::real();
    let clients = Clients::from_env().await;
    let tables = tables::create(&clients).await;
    let books = tables::adapter(clients, &tables);
    let (price, budget, now) = (Micros::new(10), Micros::new(1_000), start());
    let lease = now + TimeDelta::minutes(4);
    let reserve = |n| attempt(n, &[price]).open(budget, now, lease);
    // The connection is open already when the service freezes.
    assert_eq!(books.write(&reserve(1)).await, Ok(Written::Done));

    let frozen = Frozen::now();
    let began = clock.now();
    let (written, read) =
        join(books.write(&reserve(2)), books.balance(Account::Google, now.date_naive())).await;
    let waited = (clock.now() - began).to_std().unwrap();
    drop(frozen);
    assert!(matches!(written, Err(PortError::Unavailable(_))), "{written:?}");
    assert!(matches!(read, Err(PortError::Unavailable(_))), "{read:?}");
    assert!(waited < Duration::from_secs(10), "{waited:?}");

    // What was sent before may be done now, after all: either way it is done once.
    let again = books.write(&reserve(2)).await;
    assert!(matches!(again, Ok(Written::Done | Written::Conflict)), "{again:?}");
    let stored = books.get(&reserve(2).attempt.id).await.unwrap().unwrap();
    assert_eq!(stored, reserve(2).attempt);
    let balance = books.balance(Account::Google, now.date_naive()).await.unwrap();
    assert_eq!((balance.reserved, balance.reservations), (Micros::new(20), 2));
}

/// The emulator's process, stopped until this is dropped.
struct Frozen(String);

impl Frozen {
    #[expect(clippy::disallowed_methods, reason = "where the harness says what to stop")]
    fn now() -> Self {
        let frozen = Self(std::env::var("TRYON_TEST_AWS_PID").unwrap());
        frozen.signal("-STOP");
        frozen
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.0]).status().unwrap().success());
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}
