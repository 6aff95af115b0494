//! SQS events, record by record: what is done is acknowledged, what may yet be done is reported as a
//! failure, and what no delivery can help is put aside with the reason.

mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::future::join_all;
use tryon_core::{
    messages::WireMessage,
    metrics::{MESSAGES_REJECTED, MESSAGES_RETRIED, QUEUE_AGE},
    ports::{Queue, QueueName},
    stages::{Consumer, Invocation, StageError},
};

use self::record::Record;
use crate::{emf, handler::HandlerError};

/// Handles a batch of a standard queue: all its messages at once.
pub async fn handle_standard<M: WireMessage + Send>(
    event: SqsEvent,
    queue: QueueName,
    consumer: &dyn Consumer<M>,
    rejects: &dyn Queue,
    call: &Invocation,
) -> Result<SqsBatchResponse, HandlerError> {
    let records = record::read(event)?;
    let door = Door { queue, consumer, rejects, call };
    let done = door.at_once(&records).await;
    Ok(answer(&records, &done))
}

/// Handles a batch of a FIFO queue: each group in its order, one message at a time, and no further
/// than its first failure; groups at once.
pub async fn handle_fifo<M: WireMessage + Send>(
    event: SqsEvent,
    queue: QueueName,
    consumer: &dyn Consumer<M>,
    rejects: &dyn Queue,
    call: &Invocation,
) -> Result<SqsBatchResponse, HandlerError> {
    let records = record::read(event)?;
    let door = Door { queue, consumer, rejects, call };
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, record) in records.iter().enumerate() {
        groups.entry(&record.group).or_default().push(place);
    }
    let mut done = vec![false; records.len()];
    for place in
        join_all(groups.values().map(|group| door.in_order(&records, group))).await.concat()
    {
        done[place] = true;
    }
    Ok(answer(&records, &done))
}

/// Which of `queues` the event comes from. A deployment may put words before and after a queue's
/// name, between dashes. An event without records comes from any.
pub fn source(event: &SqsEvent, queues: &[QueueName]) -> Result<QueueName, HandlerError> {
    let unknown = || HandlerError::event("the records come from no queue of this function");
    let Some(record) = event.records.first() else {
        return queues.first().copied().ok_or_else(unknown);
    };
    let arn = record.event_source_arn.as_deref().unwrap_or_default();
    let deployed = format!("-{}-", stem(arn.rsplit(':').next().unwrap_or_default()));
    let is_named = |queue: &&QueueName| deployed.contains(&format!("-{}-", stem(queue.as_str())));
    queues.iter().find(is_named).copied().ok_or_else(unknown)
}

fn stem(name: &str) -> &str {
    name.strip_suffix(".fifo").unwrap_or(name)
}

/// Reports what is not done.
fn answer(records: &[Record], done: &[bool]) -> SqsBatchResponse {
    let mut answer = SqsBatchResponse::default();
    for (record, done) in records.iter().zip(done) {
        if !done {
            answer.add_failure(&*record.message_id);
        }
    }
    answer
}

struct Door<'a, M> {
    queue: QueueName,
    consumer: &'a dyn Consumer<M>,
    rejects: &'a dyn Queue,
    call: &'a Invocation,
}

impl<M: WireMessage + Send> Door<'_, M> {
    const fn label(&self) -> [&'static str; 1] {
        [self.queue.as_str()]
    }

    /// Whether each record may be acknowledged.
    async fn at_once(&self, records: &[Record]) -> Vec<bool> {
        let waits = records.iter().filter_map(|record| record.waited);
        waits.for_each(|waited| QUEUE_AGE.record(self.label(), waited.as_seconds_f64()));
        let mut messages = Vec::with_capacity(records.len());
        let mut results: Vec<Result<(), StageError>> = records
            .iter()
            .map(|record| record.decode().map(|message| messages.push(message)))
            .collect();
        let mut answers = Vec::new();
        if !messages.is_empty() {
            answers = self.consumer.consume(messages, self.call).await;
        }
        let mut answers = answers.into_iter();
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = answers
                .next()
                .unwrap_or_else(|| Err(StageError::retry("the stage gave no answer")));
        }
        join_all(records.iter().zip(results).map(|(record, result)| self.settle(record, result)))
            .await
    }

    /// Which of a group's `places` may be acknowledged.
    async fn in_order(&self, records: &[Record], places: &[usize]) -> Vec<usize> {
        let mut done = Vec::with_capacity(places.len());
        for place in places {
            let handled = self.at_once(std::slice::from_ref(&records[*place])).await;
            emf::flush();
            if handled != [true] {
                break;
            }
            done.push(*place);
        }
        done
    }

    /// Whether the record may be acknowledged.
    async fn settle(&self, record: &Record, result: Result<(), StageError>) -> bool {
        let reason = match result {
            Ok(()) => return true,
            Err(StageError::Retry(reason)) => {
                MESSAGES_RETRIED.count(self.label(), 1);
                record.log(self.queue, "left for another delivery", &reason);
                return false;
            }
            Err(StageError::Reject(reason)) => reason,
        };
        let put_aside = self.rejects.reject(self.queue, record.body.clone(), &reason).await;
        match put_aside {
            Ok(()) => {
                MESSAGES_REJECTED.count(self.label(), 1);
                record.log(self.queue, "put aside", &reason);
            }
            Err(_) => record.log(self.queue, "could not be put aside", &reason),
        }
        put_aside.is_ok()
    }
}
