//! Clients of the emulator, and the clocks that tests go by.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tryon_aws::Clients;
use tryon_core::{
    contract::{fixtures, written::Written},
    memory::{SeededRandom, TokioClock},
    ports::{Clock, Random},
};

/// Clients as every function makes them: the region, the credentials and the address are in the
/// environment.
pub(crate) async fn clients() -> Clients {
    Clients::from_env().await
}

/// A name that no other test of this run uses.
pub(crate) fn unique(test: &str) -> String {
    format!("{test}-{}", std::process::id())
}

pub(crate) fn real_clock() -> Arc<dyn Clock> {
    Arc::new(TokioClock::real())
}

pub(crate) fn random() -> Arc<dyn Random> {
    Arc::new(SeededRandom::new(7))
}

/// Stands still until it is moved.
#[derive(Debug, Default)]
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn advance(&self, time: TimeDelta) {
        self.0.fetch_add(time.num_milliseconds(), Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        fixtures::start() + TimeDelta::milliseconds(self.0.load(Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(TimeDelta::from_std(duration).unwrap());
    }
}

/// Runs to the end, for tests that are no async functions.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// What is logged, to the last trace of the SDKs.
#[derive(Clone, Default)]
pub(crate) struct Log(Written);

impl Log {
    pub(crate) fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + use<> {
        let log = self.0.clone();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone());
        lines.with_max_level(tracing::Level::TRACE).finish()
    }

    pub(crate) fn text(&self) -> String {
        self.0.text()
    }
}
