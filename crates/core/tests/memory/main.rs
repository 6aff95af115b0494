//! The memory adapters against the contract suites, under misfortune, and against plain models.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod chaos;
mod drops;
mod suites;

use std::sync::Arc;

use tryon_core::{
    contract::fixtures,
    memory::{Chaos, MemoryQueues, TokioClock},
    ports::{Clock, PortError},
};

fn chaos() -> Arc<Chaos> {
    Arc::new(Chaos::seeded(7))
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(TokioClock::starting_at(fixtures::start()))
}

fn queues(chaos: &Arc<Chaos>) -> Arc<MemoryQueues> {
    Arc::new(MemoryQueues::new(clock(), chaos.clone()))
}

/// Calls until it is neither throttled nor unheard of.
async fn persist<T>(mut call: impl AsyncFnMut() -> Result<T, PortError>) -> T {
    loop {
        match call().await {
            Ok(done) => return done,
            Err(PortError::Unavailable(_)) => {}
            Err(broken) => panic!("{broken}"),
        }
    }
}

/// Runs to the end on a paused runtime, for tests that make many small worlds.
fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(work)
}
