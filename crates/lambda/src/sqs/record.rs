use std::borrow::Cow;

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Map, Value};
use tryon_core::{
    messages::{DecodeError, WireMessage, decode},
    ports::QueueName,
    stages::StageError,
};

use crate::handler::HandlerError;

/// A record as far as the doors look at it.
pub(super) struct Record {
    pub(super) message_id: String,
    /// Empty on a standard queue.
    pub(super) group: String,
    pub(super) body: String,
    /// How long it waited for its first delivery.
    pub(super) waited: Option<TimeDelta>,
}

/// Reads all records. One that cannot be named cannot be reported either (an empty name fails the
/// whole batch anyway), so it fails the invocation before anything is done.
pub(super) fn read(event: SqsEvent) -> Result<Vec<Record>, HandlerError> {
    event.records.into_iter().map(Record::try_from).collect()
}

impl TryFrom<SqsMessage> for Record {
    type Error = HandlerError;

    fn try_from(mut message: SqsMessage) -> Result<Self, HandlerError> {
        let message_id = message.message_id.filter(|id| !id.is_empty());
        let mut time = |name| message.attributes.remove(name)?.parse::<i64>().ok();
        let (sent, received) = (time("SentTimestamp"), time("ApproximateFirstReceiveTimestamp"));
        Ok(Self {
            waited: received.zip(sent).map(|(to, from)| TimeDelta::milliseconds(to - from)),
            message_id: message_id
                .ok_or_else(|| HandlerError::event("a record has no message id"))?,
            group: message.attributes.remove("MessageGroupId").unwrap_or_default(),
            body: message.body.unwrap_or_default(),
        })
    }
}

impl Record {
    pub(super) fn decode<M: WireMessage>(&self) -> Result<M, StageError> {
        decode(&self.detail()).map_err(|error| match error {
            DecodeError::Newer { version, ref kind } => {
                let kind = if is_name(kind) { kind } else { "unspeakable" };
                StageError::Retry(format!(
                    "a newer release wrote it: version {version} type {kind}"
                ))
            }
            DecodeError::Malformed(_) => StageError::reject(error),
        })
    }

    /// The message itself, with the envelope of an event taken off.
    fn detail(&self) -> Cow<'_, str> {
        if self.body.contains("\"detail-type\"")
            && let Ok(envelope) = serde_json::from_str::<Map<String, Value>>(&self.body)
            && envelope.contains_key("detail-type")
            && let Some(detail) = envelope.get("detail")
        {
            return Cow::Owned(detail.to_string());
        }
        Cow::Borrowed(&self.body)
    }

    /// Logs what became of a record that was not handled: its names, never its body.
    pub(super) fn log(&self, queue: QueueName, what: &'static str, reason: &str) {
        let ids: Ids = serde_json::from_str(&self.detail()).unwrap_or_default();
        tracing::warn!(
            queue = queue.as_str(),
            message_id = self.message_id,
            attempt_id = name(ids.attempt_id),
            batch_id = name(ids.batch_id),
            render_id = name(ids.render_id.or(ids.order.map(|order| order.render_id))),
            reason,
            "message {what}",
        );
    }
}

/// The ids that a message may carry.
#[derive(Default, Deserialize)]
struct Ids {
    attempt_id: Option<String>,
    batch_id: Option<String>,
    render_id: Option<String>,
    order: Option<OrderId>,
}

#[derive(Deserialize)]
struct OrderId {
    render_id: String,
}

/// The id, if it looks like one; anything else may be a customer's data.
fn name(id: Option<String>) -> Option<String> {
    id.filter(|id| is_name(id))
}

fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    (1..=100).contains(&text.len()) && text.bytes().all(plain)
}
