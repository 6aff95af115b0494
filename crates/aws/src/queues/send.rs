//! The sending side. One message rides in a batch of one: a single way to fail, at the same price.

use std::collections::HashSet;

use async_trait::async_trait;
use aws_sdk_sqs::{
    error::BuildError,
    types::{MessageAttributeValue, SendMessageBatchRequestEntry, SendMessageBatchResultEntry},
};
use futures_util::stream::{self, TryStreamExt};
use sha2::{Digest, Sha256};
use tryon_core::ports::{MAX_BODY, Outgoing, PortError, Queue, QueueName, is_sendable};

use super::SqsQueues;
use crate::{
    chunks::{TRIES, chunks, pause},
    errors::{is_refusal, port_error},
};

/// Requests to a standard queue that are under way at once.
const AT_ONCE: usize = 4;
/// The message attribute that says why a message was put aside.
const REASON: &str = "reason";
const TEXT: &str = "String";
/// The longest reason, in bytes.
const MAX_REASON: usize = 256;
/// The group of what is put aside from a FIFO queue.
const REJECTED: &str = "rejected";

#[async_trait]
impl Queue for SqsQueues {
    async fn send(&self, queue: QueueName, messages: Vec<Outgoing>) -> Result<(), PortError> {
        messages.iter().try_for_each(|message| message.check(queue))?;
        let url = self.url(queue)?;
        // An entry may fail while a later one of its group goes through, so the two never share a
        // request, and one request follows another.
        let apart = |a: &Outgoing, b: &Outgoing| queue.is_fifo() && a.group == b.group;
        let at_once = if queue.is_fifo() { 1 } else { AT_ONCE };
        let requests = chunks(messages, MAX_BODY, |message| message.body.len(), apart);
        stream::iter(requests.into_iter().map(Ok))
            .try_for_each_concurrent(at_once, |messages| self.send_all(queue, url, messages))
            .await
    }

    async fn reject(&self, queue: QueueName, body: String, reason: &str) -> Result<(), PortError> {
        let url = self.dead_url(queue)?;
        // It may quote what nobody could read.
        let reason = reason.replace(|character| !is_sendable(character), "?");
        // Both travel within one message's limit.
        let room = MAX_BODY.saturating_sub(body.len() + REASON.len() + TEXT.len());
        let reason = &reason[..reason.floor_char_boundary(room.min(MAX_REASON))];
        let mut call = self.sqs.send_message().queue_url(url);
        if !reason.is_empty() {
            let text = MessageAttributeValue::builder().data_type(TEXT).string_value(reason);
            let text = text.build().map_err(|error| unbuilt("SendMessage", &error))?;
            call = call.message_attributes(REASON, text);
        }
        if queue.is_fifo() {
            let id = format!("{:x}", Sha256::digest(&body));
            call = call.message_group_id(REJECTED).message_deduplication_id(id);
        }
        let sent = call.message_body(body).send().await;
        sent.map(drop).map_err(|error| port_error("SendMessage", &error))
    }
}

impl SqsQueues {
    /// Sends one request's messages, those that fail a few times more.
    async fn send_all(
        &self,
        queue: QueueName,
        url: &str,
        mut messages: Vec<Outgoing>,
    ) -> Result<(), PortError> {
        for n in 1.. {
            messages = self.send_once(queue, url, messages).await?;
            if messages.is_empty() || n == TRIES {
                break;
            }
            self.clock.sleep(pause(n, self.random.as_ref())).await;
        }
        match messages.len() {
            0 => Ok(()),
            left => Err(PortError::Unavailable(format!(
                "SendMessageBatch {}: {left} entries failed {TRIES} times",
                queue.as_str()
            ))),
        }
    }

    /// Gives the messages that may be sent once more.
    async fn send_once(
        &self,
        queue: QueueName,
        url: &str,
        messages: Vec<Outgoing>,
    ) -> Result<Vec<Outgoing>, PortError> {
        let entries = messages.iter().enumerate().map(|(id, message)| entry(queue, id, message));
        let entries: Result<Vec<_>, _> = entries.collect();
        let entries = entries.map_err(|error| unbuilt("SendMessageBatch", &error))?;
        let call = self.sqs.send_message_batch().queue_url(url).set_entries(Some(entries));
        let answer = call.send().await.map_err(|error| port_error("SendMessageBatch", &error))?;
        for failed in answer.failed() {
            let code = failed.code();
            // A permission that is missing, or a key that is throttled, is called the sender's too.
            if failed.sender_fault() && is_refusal(code) {
                return Err(PortError::Broken(format!(
                    "SendMessageBatch {}: {code}",
                    queue.as_str()
                )));
            }
            tracing::warn!(queue = queue.as_str(), code, "an entry was not taken");
        }
        let sent: HashSet<_> =
            answer.successful().iter().map(SendMessageBatchResultEntry::id).collect();
        let unsent = |(id, message): (usize, Outgoing)| {
            (!sent.contains(id.to_string().as_str())).then_some(message)
        };
        Ok(messages.into_iter().enumerate().filter_map(unsent).collect())
    }
}

fn entry(
    queue: QueueName,
    id: usize,
    message: &Outgoing,
) -> Result<SendMessageBatchRequestEntry, BuildError> {
    // Checked to be at most 900.
    let delay =
        (!queue.is_fifo()).then(|| i32::try_from(message.delay_seconds).unwrap_or(i32::MAX));
    SendMessageBatchRequestEntry::builder()
        .id(id.to_string())
        .message_body(&message.body)
        .set_delay_seconds(delay)
        .set_message_group_id(message.group.clone())
        .set_message_deduplication_id(message.dedup.clone())
        .build()
}

fn unbuilt(call: &str, error: &BuildError) -> PortError {
    PortError::Broken(format!("{call}: {error}"))
}
