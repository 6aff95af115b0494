//! Queues of the house on SQS.

mod look;
mod redrive;
mod send;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, sync::Arc};

use aws_sdk_sqs::Client;
use tryon_core::ports::{Clock, PortError, QueueName, Random};

/// Where a queue is, as far as a function may know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueUrls {
    pub queue: Option<String>,
    /// Where its messages are put aside.
    pub dead: Option<String>,
}

/// Sends to the queues whose URLs it was given, and looks at them.
pub struct SqsQueues {
    sqs: Client,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    urls: BTreeMap<QueueName, QueueUrls>,
}

impl fmt::Debug for SqsQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsQueues").field("queues", &self.urls.keys()).finish_non_exhaustive()
    }
}

impl SqsQueues {
    pub fn new(
        sqs: Client,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        urls: impl IntoIterator<Item = (QueueName, QueueUrls)>,
    ) -> Self {
        Self { sqs, clock, random, urls: urls.into_iter().collect() }
    }

    fn url(&self, queue: QueueName) -> Result<&str, PortError> {
        let url = self.urls.get(&queue).and_then(|urls| urls.queue.as_deref());
        url.ok_or_else(|| PortError::Broken(format!("{}: no URL is given", queue.as_str())))
    }

    fn dead_url(&self, queue: QueueName) -> Result<&str, PortError> {
        let url = self.urls.get(&queue).and_then(|urls| urls.dead.as_deref());
        let lack = || format!("{}: no URL of its dead letters is given", queue.as_str());
        url.ok_or_else(|| PortError::Broken(lack()))
    }
}
