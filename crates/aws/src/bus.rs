//! Events on `EventBridge`.

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use aws_sdk_eventbridge::{Client, types::PutEventsRequestEntry};
use tryon_core::ports::{Announcement, Bus, Clock, PortError, Random};

use crate::{
    chunks::{TRIES, chunks, pause},
    errors::port_error,
};

/// The longest request, in bytes: below 1 MB.
const MAX_REQUEST: usize = 1_000_000;
/// Codes of entries that may pass when sent once more.
const PASSING: [&str; 3] = ["InternalFailure", "InternalException", "ThrottlingException"];
/// Codes of entries that are wrong in themselves.
const REFUSED: [&str; 2] = ["InvalidArgument", "MalformedDetail"];

/// Publishes on one bus. A bus that does not exist takes everything and drops it: its name is to be
/// checked at deploy.
pub struct EventBridgeBus {
    eventbridge: Client,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    name: String,
}

impl fmt::Debug for EventBridgeBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBridgeBus").field("name", &self.name).finish_non_exhaustive()
    }
}

impl EventBridgeBus {
    pub fn new(
        eventbridge: Client,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        name: impl Into<String>,
    ) -> Self {
        Self { eventbridge, clock, random, name: name.into() }
    }

    /// Publishes one request's events, those that fail a few times more.
    async fn publish_all(&self, mut events: Vec<Announcement>) -> Result<(), PortError> {
        for n in 1.. {
            events = self.publish_once(events).await?;
            if events.is_empty() || n == TRIES {
                break;
            }
            self.clock.sleep(pause(n, self.random.as_ref())).await;
        }
        match events.len() {
            0 => Ok(()),
            left => Err(PortError::Unavailable(format!(
                "PutEvents: {left} entries failed {TRIES} times"
            ))),
        }
    }

    /// Gives the events that may be published once more.
    async fn publish_once(
        &self,
        events: Vec<Announcement>,
    ) -> Result<Vec<Announcement>, PortError> {
        let entries = events.iter().map(|event| self.entry(event)).collect();
        let call = self.eventbridge.put_events().set_entries(Some(entries));
        let answer = call.send().await.map_err(|error| port_error("PutEvents", &error))?;
        if answer.failed_entry_count() == 0 {
            return Ok(Vec::new());
        }
        // The answer has the order of the request.
        let results = answer.entries();
        for code in results.iter().filter_map(|entry| entry.error_code()) {
            let text = format!("PutEvents entry: {code}");
            if REFUSED.contains(&code) {
                return Err(PortError::Broken(text));
            } else if !PASSING.contains(&code) {
                return Err(PortError::Unavailable(text));
            }
            tracing::warn!(code, "an event was not taken");
        }
        let taken = |at: usize| results.get(at).is_some_and(|entry| entry.error_code().is_none());
        let left = events.into_iter().enumerate().filter(|(at, _)| !taken(*at));
        Ok(left.map(|(_, event)| event).collect())
    }

    fn entry(&self, event: &Announcement) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(event.source)
            .detail_type(event.detail_type)
            .detail(&event.detail)
            .build()
    }
}

#[async_trait]
impl Bus for EventBridgeBus {
    async fn publish(&self, events: Vec<Announcement>) -> Result<(), PortError> {
        events.iter().try_for_each(Announcement::check)?;
        for events in chunks(events, MAX_REQUEST, Announcement::length, |_, _| false) {
            self.publish_all(events).await?;
        }
        Ok(())
    }
}
