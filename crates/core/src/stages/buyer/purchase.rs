//! A buying message.

use chrono::{DateTime, Utc};

use crate::{
    catalogue::{Backend, BatchKey, PredictionModel},
    chain::Step,
    ids::{AttemptId, BatchId},
    lane::Lane,
    messages::{RenderOrder, ToImagen, ToReplicate, encode},
    ports::QueueName,
    stages::StageError,
};

/// What is to be bought, and for whom.
#[derive(Clone, Debug)]
pub(in crate::stages) struct Purchase {
    pub attempt_id: AttemptId,
    pub batch_id: BatchId,
    pub step: Step,
    pub lane: Lane,
    pub key: BatchKey,
    pub orders: Vec<RenderOrder>,
    pub wait: u32,
}

impl Purchase {
    pub(in crate::stages) fn batch(
        attempt_id: AttemptId,
        batch_id: BatchId,
        key: BatchKey,
        orders: Vec<RenderOrder>,
        wait: u32,
    ) -> Self {
        Self { attempt_id, batch_id, step: Step::Gemini, lane: Lane::Batch, key, orders, wait }
    }

    pub(in crate::stages) fn online(
        attempt_id: AttemptId,
        backend: Backend,
        model: String,
        order: RenderOrder,
        wait: u32,
    ) -> Self {
        Self {
            attempt_id,
            batch_id: order.render_id.as_batch(),
            step: Step::Gemini,
            lane: Lane::Online,
            key: BatchKey { backend, model },
            orders: vec![order],
            wait,
        }
    }

    pub(in crate::stages) fn prediction(
        attempt_id: AttemptId,
        model: &PredictionModel,
        order: RenderOrder,
        wait: u32,
    ) -> Self {
        let step = order.step;
        let key = BatchKey { backend: Backend::Replicate, model: model.model.clone() };
        let batch_id = order.render_id.as_batch();
        Self { attempt_id, batch_id, step, lane: Lane::Online, key, orders: vec![order], wait }
    }

    /// Until when all of its renders can wait.
    pub(in crate::stages) fn wait_until(&self) -> DateTime<Utc> {
        self.orders.iter().map(|order| order.wait_until).min().unwrap_or_default()
    }

    /// Whether it is bought beside a batch.
    pub(super) fn is_rescue(&self) -> bool {
        self.orders.iter().any(|order| order.rescue)
    }

    /// Whether its render has another step to go to; a batch waits, whatever may come after it.
    pub(super) fn has_elsewhere(&self) -> bool {
        self.lane == Lane::Online && self.wait_until() < self.buy_before()
    }

    /// Whether an open breaker sends its render elsewhere.
    pub(in crate::stages) fn diverts(&self) -> bool {
        self.lane == Lane::Online && self.orders.iter().all(|order| order.diverts)
    }

    /// Until when a prediction may run.
    pub(super) fn run_until(&self) -> Option<DateTime<Utc>> {
        let order = self.orders.first().filter(|_| self.step != Step::Gemini)?;
        Some(order.run_until)
    }

    pub(super) fn buy_before(&self) -> DateTime<Utc> {
        self.orders.iter().map(|order| order.buy_before).min().unwrap_or_default()
    }

    /// The same message after one more wait, and where it goes.
    pub(super) fn again(self, wait: u32) -> Result<(QueueName, String), StageError> {
        let Self { attempt_id, batch_id, step, lane, key, mut orders, .. } = self;
        if lane == Lane::Batch {
            let message = ToImagen::Submit { attempt_id, batch_id, key, orders, wait };
            return Ok((QueueName::ImagenJobs, encode(&message).map_err(StageError::reject)?));
        }
        let order = orders.pop().ok_or_else(|| StageError::reject("an order is missing"))?;
        let (queue, body) = if step == Step::Gemini {
            let message = ToImagen::Online { attempt_id, order, wait };
            (QueueName::ImagenOnline, encode(&message))
        } else {
            let message = ToReplicate::Start { attempt_id, order, wait };
            (QueueName::Replicate, encode(&message))
        };
        Ok((queue, body.map_err(StageError::reject)?))
    }
}
