//! Buys predictions from Replicate: the legacy route, the fallback steps and the upscale step. One
//! render each, created once, polled to its end.

mod health;
mod poll;
mod start;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;

use super::{Buyer, Consumer, Invocation, Pulse, StageError};
use crate::{
    messages::{ToReplicate, encode},
    ports::{Outgoing, Predictions, QueueName},
};

/// The `replicate` stage.
#[derive(Debug)]
pub struct Replicate {
    pub buyer: Buyer,
    pub pulse: Pulse,
    pub predictions: Arc<dyn Predictions>,
}

#[async_trait]
impl Consumer<ToReplicate> for Replicate {
    /// At once: each message is a render of its own.
    async fn consume(
        &self,
        messages: Vec<ToReplicate>,
        call: &Invocation,
    ) -> Vec<Result<(), StageError>> {
        self.buyer.catalogue.current().await;
        join_all(messages.into_iter().map(|message| self.handle(message, call))).await
    }
}

impl Replicate {
    async fn handle(&self, message: ToReplicate, call: &Invocation) -> Result<(), StageError> {
        match message {
            ToReplicate::Start { attempt_id, order, wait } => {
                self.start(attempt_id, order, wait, call).await
            }
            ToReplicate::Poll { attempt_id, seq } => self.poll(&attempt_id, seq, call).await,
            ToReplicate::Resolve { attempt_id } => {
                let attempt = self.buyer.attempt(&attempt_id).await?;
                self.resolve(attempt, call).await
            }
            ToReplicate::Cancel { attempt_id, .. } => self.cancel(&attempt_id).await,
            ToReplicate::Republish { attempt_id } => self.buyer.republish(&attempt_id).await,
        }
    }

    async fn send_tick(&self, message: &ToReplicate, delay: u32) -> Result<(), StageError> {
        let body = encode(message).map_err(StageError::reject)?;
        let tick = Outgoing::delayed(body, delay);
        Ok(self.buyer.queue.send(QueueName::Replicate, vec![tick]).await?)
    }
}
