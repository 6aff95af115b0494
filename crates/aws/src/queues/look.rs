use async_trait::async_trait;
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::future::{try_join, try_join_all};
use tryon_core::ports::{Backlog, Backlogs, PortError};

use super::SqsQueues;
use crate::errors::port_error;

/// Where a message can stand. SQS counts roughly.
const COUNTS: [QueueAttributeName; 3] = [
    QueueAttributeName::ApproximateNumberOfMessages,
    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    QueueAttributeName::ApproximateNumberOfMessagesDelayed,
];

#[async_trait]
impl Backlogs for SqsQueues {
    /// Of every queue whose two URLs are given.
    async fn backlogs(&self) -> Result<Vec<Backlog>, PortError> {
        let looks = self.urls.iter().filter_map(|(&queue, urls)| {
            let (main, dead) = (urls.queue.as_deref()?, urls.dead.as_deref()?);
            Some(async move {
                let (messages, dead) = try_join(self.count(main), self.count(dead)).await?;
                Ok(Backlog { queue, messages, oldest_seconds: None, dead })
            })
        });
        try_join_all(looks).await
    }
}

impl SqsQueues {
    pub(super) async fn count(&self, url: &str) -> Result<u64, PortError> {
        let call = self.sqs.get_queue_attributes().queue_url(url);
        let answer = call.set_attribute_names(Some(COUNTS.to_vec())).send().await;
        let answer = answer.map_err(|error| port_error("GetQueueAttributes", &error))?;
        let count = |name| -> Option<u64> { answer.attributes()?.get(name)?.parse().ok() };
        let all: Option<u64> = COUNTS.iter().map(count).sum();
        all.ok_or_else(|| {
            PortError::Unavailable("GetQueueAttributes: a count is missing".to_owned())
        })
    }
}
