use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    chaos::{Call, Chaos, Mishap},
    lock, opaque_debug,
    queues::MemoryQueues,
};
use crate::{
    ids::SHARDS,
    ports::{Announcement, Bus, Clock, Outgoing, PortError, QueueName},
};

/// Sends the detail of matching events to a message group of a FIFO queue.
#[derive(Clone, Debug)]
pub struct Rule {
    pub sources: Vec<&'static str>,
    /// `detail.shard`; none matches any.
    pub shard: Option<u32>,
    pub queue: QueueName,
    pub group: String,
}

impl Rule {
    /// The rules of the house: what befell an attempt goes to the distributor, one group a shard.
    pub fn of_the_house() -> Vec<Self> {
        let rule = |shard| Self {
            sources: vec!["gemini.batch", "replicate.render"],
            shard: Some(shard),
            queue: QueueName::GeminiBatch,
            group: format!("shard-{shard}"),
        };
        (0..SHARDS).map(rule).collect()
    }

    fn matches(&self, event: &Announcement, shard: Option<u32>) -> bool {
        self.sources.contains(&event.source) && (self.shard.is_none() || self.shard == shard)
    }
}

/// An event as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub at: DateTime<Utc>,
    pub event: Announcement,
}

/// The event bus: hands each event to the queues of the rules that match, drops it where none does.
pub struct MemoryBus {
    clock: Arc<dyn Clock>,
    chaos: Arc<Chaos>,
    queues: Arc<MemoryQueues>,
    rules: Vec<Rule>,
    watch: Mutex<Watch>,
}

opaque_debug!(MemoryBus);

#[derive(Default)]
struct Watch {
    record: Option<Vec<Published>>,
    subscribers: Vec<UnboundedSender<Published>>,
}

/// The part of a detail that rules look at.
#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    shard: Value,
}

impl MemoryBus {
    pub fn new(
        clock: Arc<dyn Clock>,
        chaos: Arc<Chaos>,
        queues: Arc<MemoryQueues>,
        rules: Vec<Rule>,
    ) -> Self {
        Self { clock, chaos, queues, rules, watch: Mutex::default() }
    }

    /// Keeps every event from here on, for [`drain`](Self::drain).
    #[must_use]
    pub fn recording(self) -> Self {
        lock(&self.watch).record = Some(Vec::new());
        self
    }

    /// The recorded events since the last call, in the order in which they were published.
    pub fn drain(&self) -> Vec<Published> {
        lock(&self.watch).record.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Every event from here on, as it is published.
    pub fn subscribe(&self) -> UnboundedReceiver<Published> {
        let (sender, receiver) = unbounded_channel();
        lock(&self.watch).subscribers.push(sender);
        receiver
    }

    fn tell(&self, event: &Announcement) {
        let mut watch = lock(&self.watch);
        if watch.record.is_none() && watch.subscribers.is_empty() {
            return;
        }
        let published = Published { at: self.clock.now(), event: event.clone() };
        watch.subscribers.retain(|subscriber| subscriber.send(published.clone()).is_ok());
        watch.record.iter_mut().for_each(|record| record.push(published.clone()));
    }

    fn deliver(&self, event: &Announcement, shard: Option<u32>) {
        for rule in self.rules.iter().filter(|rule| rule.matches(event, shard)) {
            let message = Outgoing::in_group(event.detail.clone(), rule.group.clone());
            self.queues.accept(rule.queue, message, self.chaos.fate(Call::Deliver));
        }
    }
}

#[async_trait]
impl Bus for MemoryBus {
    async fn publish(&self, mut events: Vec<Announcement>) -> Result<(), PortError> {
        self.chaos
            .call(Call::BusPublish, |fate| {
                events.iter().try_for_each(Announcement::check)?;
                if fate.is(Mishap::Conflict) {
                    events.truncate(fate.choose(events.len()));
                }
                for event in &events {
                    self.tell(event);
                    self.deliver(event, shard_of(event));
                }
                if fate.is(Mishap::Conflict) {
                    return Err(PortError::Unavailable("some entries failed".to_owned()));
                }
                Ok(())
            })
            .await
    }
}

/// What the rules go by; absent where the detail has none that they know.
fn shard_of(event: &Announcement) -> Option<u32> {
    let detail: Detail = serde_json::from_str(&event.detail).ok()?;
    detail.shard.as_u64().and_then(|shard| u32::try_from(shard).ok())
}
