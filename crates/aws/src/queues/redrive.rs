//! Bringing back what was put aside: SQS moves it by itself.

use async_trait::async_trait;
use aws_sdk_sqs::types::QueueAttributeName;
use tryon_core::ports::{PortError, QueueName, Redrive};

use super::SqsQueues;
use crate::errors::port_error;

#[async_trait]
impl Redrive for SqsQueues {
    /// The destination is named: what was put aside by hand has no source that SQS would know.
    async fn redrive(&self, queue: QueueName) -> Result<u64, PortError> {
        let dead = self.dead_url(queue)?;
        let moved = self.count(dead).await?;
        if moved == 0 {
            return Ok(0);
        }
        let (from, to) = (self.arn(dead).await?, self.arn(self.url(queue)?).await?);
        let call = self.sqs.start_message_move_task().source_arn(from).destination_arn(to);
        let started = call.send().await;
        started.map(|_| moved).map_err(|error| port_error("StartMessageMoveTask", &error))
    }
}

impl SqsQueues {
    async fn arn(&self, url: &str) -> Result<String, PortError> {
        let call = self.sqs.get_queue_attributes().queue_url(url);
        let answer = call.attribute_names(QueueAttributeName::QueueArn).send().await;
        let answer = answer.map_err(|error| port_error("GetQueueAttributes", &error))?;
        let arn = answer.attributes().and_then(|all| all.get(&QueueAttributeName::QueueArn));
        arn.cloned().ok_or_else(|| {
            PortError::Unavailable("GetQueueAttributes: the ARN is missing".to_owned())
        })
    }
}
