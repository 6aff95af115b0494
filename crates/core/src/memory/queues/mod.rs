//! Queues as SQS keeps them, with the receiving side that a consumer of messages needs.

mod fifo;
mod standard;

use std::{
    collections::BTreeMap,
    iter,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future;
use tokio::sync::Notify;

use self::{fifo::Fifo, standard::Standard};
use super::{
    chaos::{Call, Chaos, Fate, Mishap},
    lock, opaque_debug,
};
use crate::ports::{Backlog, Backlogs, Clock, Outgoing, PortError, Queue, QueueName, Redrive};

const MAX_VISIBILITY: TimeDelta = TimeDelta::hours(12);
/// The group of what is put aside from a FIFO queue by hand.
const REJECTED: &str = "rejected";

/// A message as a consumer receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub message_id: String,
    pub receipt: Receipt,
    pub body: String,
    pub group: Option<String>,
    /// From 1.
    pub receive_count: u32,
    pub sent_at: DateTime<Utc>,
}

/// What deletes a received message, until it is received once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Receipt {
    queue: QueueName,
    message: u64,
    receive: u32,
}

/// A message put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub body: String,
    pub group: Option<String>,
    /// Given by who rejected it, or that it was received too often.
    pub reason: String,
    pub at: DateTime<Utc>,
}

/// How many messages a queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// To be received now.
    pub visible: usize,
    /// Delayed, in flight, or behind one of their group that is.
    pub hidden: usize,
}

impl Depth {
    pub const fn total(self) -> usize {
        self.visible + self.hidden
    }
}

/// All queues of the house. Standard queues deliver at least once and in any order; the FIFO queue
/// keeps its groups in order and drops repeats for five minutes. A message received too often goes
/// to the dead letters.
pub struct MemoryQueues {
    clock: Arc<dyn Clock>,
    chaos: Arc<Chaos>,
    queues: Mutex<BTreeMap<QueueName, State>>,
}

opaque_debug!(MemoryQueues);

struct State {
    line: Box<dyn Line>,
    dead: Vec<DeadLetter>,
    max_receives: u32,
    changed: Arc<Notify>,
}

/// A message in a queue.
struct Message {
    /// Given by the line on arrival; never twice.
    number: u64,
    body: String,
    group: Option<String>,
    sent_at: DateTime<Utc>,
    visible_at: DateTime<Utc>,
    receives: u32,
}

/// What makes a queue standard or FIFO.
trait Line: Send {
    /// Takes a message in; it arrives `late`, besides its own delay.
    fn put(&mut self, message: Message, dedup: Option<String>, late: TimeDelta);
    /// Takes the next visible message out, for good or until `keep`.
    fn take(&mut self, now: DateTime<Utc>) -> Option<Message>;
    /// Puts a taken message back, in flight until its `visible_at`.
    fn keep(&mut self, message: Message);
    /// Deletes the message if this was its latest receive.
    fn delete(&mut self, number: u64, receive: u32, now: DateTime<Utc>);
    fn next_visible_at(&self) -> Option<DateTime<Utc>>;
    fn depth(&self, now: DateTime<Utc>) -> Depth;
    fn oldest(&self) -> Option<DateTime<Utc>>;
}

impl MemoryQueues {
    /// Messages are dead after 5 receives, on the FIFO queue after 3.
    pub fn new(clock: Arc<dyn Clock>, chaos: Arc<Chaos>) -> Self {
        Self { clock, chaos, queues: Mutex::default() }
    }

    /// How often a message of `queue` is received before it is dead.
    pub fn set_max_receives(&self, queue: QueueName, most: u32) {
        self.with(queue, |state| state.max_receives = most);
    }

    /// Up to `most` messages that are visible now; each is hidden for `visibility`, then comes again
    /// unless it was deleted. Does not wait.
    pub fn receive(&self, queue: QueueName, most: usize, visibility: Duration) -> Vec<Received> {
        let now = self.clock.now();
        let visibility = TimeDelta::from_std(visibility).unwrap_or(MAX_VISIBILITY);
        let hidden_until = now + visibility.min(MAX_VISIBILITY);
        self.with(queue, |state| {
            let mut received = Vec::new();
            let mut in_flight = Vec::new();
            while received.len() < most {
                let Some(mut message) = state.line.take(now) else {
                    break;
                };
                if message.receives >= state.max_receives {
                    let reason = format!("received {} times", message.receives);
                    let Message { body, group, .. } = message;
                    state.dead.push(DeadLetter { body, group, reason, at: now });
                    continue;
                }
                message.receives += 1;
                received.push(message.received(queue));
                // Some copy of a standard message was not told, and will deliver it again.
                let twice =
                    !queue.is_fifo() && self.chaos.fate(Call::Receive).is(Mishap::Duplicate);
                message.visible_at = if twice { now } else { hidden_until };
                in_flight.push(message);
            }
            for message in in_flight {
                state.line.keep(message);
            }
            received
        })
    }

    /// Deletes a received message. A receipt from an earlier receive than the last deletes nothing.
    pub fn delete(&self, receipt: &Receipt) {
        if self.chaos.fate(Call::Delete).is(Mishap::Lost) {
            return;
        }
        let now = self.clock.now();
        self.with(receipt.queue, |state| {
            state.line.delete(receipt.message, receipt.receive, now);
            // The rest of a FIFO group may follow now.
            state.changed.notify_waiters();
        });
    }

    /// When the next message is to be received, as far as is known now; in the past where one is.
    pub fn next_visible_at(&self, queue: QueueName) -> Option<DateTime<Utc>> {
        self.with(queue, |state| state.line.next_visible_at())
    }

    /// Waits until a message can be received.
    pub async fn wait_for_message(&self, queue: QueueName) {
        let changed = self.with(queue, |state| state.changed.clone());
        loop {
            let mut changed = pin!(changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            let wait = self.next_visible_at(queue).map(|at| (at - self.clock.now()).to_std());
            match wait {
                None => changed.await,
                Some(Ok(wait)) if !wait.is_zero() => {
                    drop(future::select(self.clock.sleep(wait), changed).await);
                }
                Some(_) => return,
            }
        }
    }

    /// The messages put aside, oldest first.
    pub fn dlq(&self, queue: QueueName) -> Vec<DeadLetter> {
        self.with(queue, |state| state.dead.clone())
    }

    pub fn depth(&self, queue: QueueName) -> Depth {
        let now = self.clock.now();
        self.with(queue, |state| state.line.depth(now))
    }

    /// The age of the oldest message that is not deleted.
    pub fn oldest_age(&self, queue: QueueName) -> Option<TimeDelta> {
        let now = self.clock.now();
        self.with(queue, |state| state.line.oldest()).map(|sent| now - sent)
    }

    /// Takes a message in after [`Outgoing::check`], as `fate` has it.
    pub(super) fn accept(&self, queue: QueueName, message: Outgoing, fate: Fate) {
        let now = self.clock.now();
        // The bus tries for hours; a copy that comes after five minutes is no repeat any more.
        let most = if queue.is_fifo() { TimeDelta::minutes(10) } else { TimeDelta::seconds(10) };
        let lateness = fate.lateness(most);
        let late = if fate.is(Mishap::Late) { lateness } else { TimeDelta::zero() };
        let copy = fate.is(Mishap::Duplicate).then(|| (message.clone(), lateness));
        self.with(queue, |state| {
            for (message, late) in iter::once((message, late)).chain(copy) {
                let Outgoing { body, group, dedup, delay_seconds } = message;
                let visible_at = now + TimeDelta::seconds(delay_seconds.into());
                let message =
                    Message { number: 0, body, group, sent_at: now, visible_at, receives: 0 };
                state.line.put(message, dedup, late);
            }
            state.changed.notify_waiters();
        });
    }

    fn with<T>(&self, queue: QueueName, work: impl FnOnce(&mut State) -> T) -> T {
        work(lock(&self.queues).entry(queue).or_insert_with(|| State::new(queue)))
    }
}

#[async_trait]
impl Backlogs for MemoryQueues {
    async fn backlogs(&self) -> Result<Vec<Backlog>, PortError> {
        self.chaos
            .call(Call::QueueLook, |_| {
                let now = self.clock.now();
                let look = |queue| {
                    self.with(queue, |state| Backlog {
                        queue,
                        messages: state.line.depth(now).total() as u64,
                        oldest_seconds: state.line.oldest().map(|sent_at| {
                            (now - sent_at).num_seconds().try_into().unwrap_or_default()
                        }),
                        dead: state.dead.len() as u64,
                    })
                };
                Ok(QueueName::ALL.map(look).to_vec())
            })
            .await
    }
}

#[async_trait]
impl Queue for MemoryQueues {
    async fn send(&self, queue: QueueName, mut messages: Vec<Outgoing>) -> Result<(), PortError> {
        self.chaos
            .call(Call::QueueSend, |fate| {
                messages.iter().try_for_each(|message| message.check(queue))?;
                if fate.is(Mishap::Conflict) {
                    messages.truncate(fate.choose(messages.len()));
                }
                for message in messages {
                    self.accept(queue, message, fate);
                }
                if fate.is(Mishap::Conflict) {
                    return Err(PortError::Unavailable("some entries were not sent".to_owned()));
                }
                Ok(())
            })
            .await
    }

    async fn reject(&self, queue: QueueName, body: String, reason: &str) -> Result<(), PortError> {
        self.chaos
            .call(Call::QueueReject, |_| {
                let at = self.clock.now();
                let reason = reason.to_owned();
                let group = queue.is_fifo().then(|| REJECTED.to_owned());
                self.with(queue, |state| {
                    state.dead.push(DeadLetter { body, group, reason, at });
                });
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl Redrive for MemoryQueues {
    async fn redrive(&self, queue: QueueName) -> Result<u64, PortError> {
        self.chaos
            .call(Call::QueueRedrive, |fate| {
                let dead = self.with(queue, |state| std::mem::take(&mut state.dead));
                let moved = dead.len() as u64;
                for DeadLetter { body, group, .. } in dead {
                    self.accept(queue, Outgoing { group, ..Outgoing::now(body) }, fate);
                }
                Ok(moved)
            })
            .await
    }
}

impl State {
    fn new(queue: QueueName) -> Self {
        let line: Box<dyn Line> =
            if queue.is_fifo() { Box::<Fifo>::default() } else { Box::<Standard>::default() };
        let max_receives = if queue.is_fifo() { 3 } else { 5 };
        Self { line, dead: Vec::new(), max_receives, changed: Arc::default() }
    }
}

impl Message {
    fn received(&self, queue: QueueName) -> Received {
        Received {
            message_id: format!("{}-{}", queue.as_str(), self.number),
            receipt: Receipt { queue, message: self.number, receive: self.receives },
            body: self.body.clone(),
            group: self.group.clone(),
            receive_count: self.receives,
            sent_at: self.sent_at,
        }
    }
}
