//! What AWS does between queues and functions: takes messages off the queues in batches, calls the
//! function's handler with the JSON it would get from Lambda, and deletes what was handled.
//!
//! Everything runs in the caller's task, so that a run on a paused clock repeats to the byte.

mod event;
#[cfg(test)]
mod tests;
mod trouble;

use std::{convert::Infallible, future::Future, pin::pin, sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures_util::{
    FutureExt, StreamExt,
    future::{self, Either, join_all},
    stream::FuturesUnordered,
};
use serde_json::Value;
use tryon_core::{
    memory::{MemoryQueues, Received},
    ports::{Clock, QueueName},
    stages::Invocation,
};
use tryon_lambda::Handler;

pub use self::{
    event::sqs as sqs_event,
    trouble::{Trouble, Troubled},
};

/// One event-source mapping, as the template declares it.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub queue: QueueName,
    pub handler: Arc<dyn Handler>,
    /// Messages a call, at most.
    pub batch_size: usize,
    /// After this long the function is killed.
    pub timeout: Duration,
    /// How long a received message stays hidden from others.
    pub visibility: Duration,
    /// Calls at once, at most.
    pub concurrency: usize,
}

/// One scheduled function.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub handler: Arc<dyn Handler>,
    pub every: Duration,
    pub timeout: Duration,
}

/// Runs functions on queues and schedules.
#[derive(Debug)]
pub struct Pump {
    pub queues: Arc<MemoryQueues>,
    pub clock: Arc<dyn Clock>,
    pub mappings: Vec<Mapping>,
    pub schedules: Vec<Schedule>,
}

impl Pump {
    /// Runs until `stop` is done, and returns what it gives. Calls under way are dropped then; their
    /// messages come again whenever the queues are pumped again.
    pub async fn run_until<T>(&self, stop: impl Future<Output = T>) -> T {
        let queues = join_all(self.mappings.iter().map(|mapping| self.pump(mapping)));
        let schedules = join_all(self.schedules.iter().map(|schedule| self.tick(schedule)));
        let work = pin!(future::join(queues, schedules));
        match future::select(pin!(stop), work).await {
            Either::Left((done, _)) => done,
            // Only where there is nothing to pump.
            Either::Right((_, stop)) => stop.await,
        }
    }

    async fn pump(&self, mapping: &Mapping) -> Infallible {
        let concurrency = mapping.concurrency.max(1);
        let mut calls = FuturesUnordered::new();
        loop {
            while calls.len() < concurrency {
                let batch =
                    self.queues.receive(mapping.queue, mapping.batch_size, mapping.visibility);
                if batch.is_empty() {
                    break;
                }
                calls.push(self.deliver(mapping, batch));
            }
            if calls.len() == concurrency {
                calls.next().await;
                continue;
            }
            let arrival = pin!(self.queues.wait_for_message(mapping.queue));
            if calls.is_empty() {
                arrival.await;
            } else {
                future::select(calls.next(), arrival).map(drop).await;
            }
        }
    }

    /// One call with one batch: what it does not report as failed is deleted.
    async fn deliver(&self, mapping: &Mapping, batch: Vec<Received>) {
        let queue = mapping.queue;
        let answer = self.call(&mapping.handler, event::sqs(queue, &batch), mapping.timeout).await;
        let Some(answer) = answer else {
            return;
        };
        let Some(failed) = event::failures(&answer, &batch) else {
            tracing::error!(queue = queue.as_str(), "the answer cannot be read: all is left");
            return;
        };
        for message in &batch {
            if !failed.contains(&message.message_id.as_str()) {
                self.queues.delete(&message.receipt);
            }
        }
    }

    /// Calls at a fixed rate, whatever the calls take.
    async fn tick(&self, schedule: &Schedule) -> Infallible {
        let every = TimeDelta::from_std(schedule.every).unwrap_or(TimeDelta::MAX);
        let mut due = self.clock.now();
        loop {
            due += every;
            self.clock.sleep((due - self.clock.now()).to_std().unwrap_or_default()).await;
            let event = event::schedule(self.clock.now());
            self.call(&schedule.handler, event, schedule.timeout).await;
        }
    }

    /// Calls a function as Lambda does; nothing comes back where it failed or ran out of time.
    async fn call(
        &self,
        handler: &Arc<dyn Handler>,
        event: Value,
        timeout: Duration,
    ) -> Option<Value> {
        let time = TimeDelta::from_std(timeout).unwrap_or(TimeDelta::MAX);
        let invocation = Invocation { deadline: self.clock.now() + time };
        let call = handler.call(event, invocation);
        match future::select(call, self.clock.sleep(timeout)).await {
            Either::Left((Ok(answer), _)) => Some(answer),
            Either::Left((Err(error), _)) => {
                tracing::warn!(%error, ?handler, "call failed");
                None
            }
            Either::Right(_) => {
                tracing::warn!(?handler, "call ran out of time");
                None
            }
        }
    }
}
