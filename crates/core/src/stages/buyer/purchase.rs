//! A buying message.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{
    catalogue::{Backend, BatchKey, Catalogue, Entry, PredictionModel},
    chain::Step,
    ids::{AttemptId, BatchId},
    lane::Lane,
    messages::{RenderOrder, ToImagen, ToReplicate, encode},
    money::Micros,
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
    /// What counts from its claim to its call, whatever is read meanwhile.
    pub catalogue: Arc<Catalogue>,
}

impl Purchase {
    pub(in crate::stages) fn batch(
        attempt_id: AttemptId,
        batch_id: BatchId,
        key: BatchKey,
        orders: Vec<RenderOrder>,
        wait: u32,
        catalogue: Arc<Catalogue>,
    ) -> Self {
        let (step, lane) = (Step::Gemini, Lane::Batch);
        Self { attempt_id, batch_id, step, lane, key, orders, wait, catalogue }
    }

    pub(in crate::stages) fn online(
        attempt_id: AttemptId,
        key: BatchKey,
        order: RenderOrder,
        wait: u32,
        catalogue: Arc<Catalogue>,
    ) -> Self {
        Self {
            attempt_id,
            batch_id: order.render_id.as_batch(),
            step: Step::Gemini,
            lane: Lane::Online,
            key,
            orders: vec![order],
            wait,
            catalogue,
        }
    }

    pub(in crate::stages) fn prediction(
        attempt_id: AttemptId,
        order: RenderOrder,
        wait: u32,
        catalogue: Arc<Catalogue>,
    ) -> Result<Self, StageError> {
        let step = order.step;
        let model = model_of(&catalogue, step)?.model.clone();
        let key = BatchKey { backend: Backend::Replicate, model };
        let (batch_id, lane, orders) = (order.render_id.as_batch(), Lane::Online, vec![order]);
        Ok(Self { attempt_id, batch_id, step, lane, key, orders, wait, catalogue })
    }

    /// The entry that an order is made by; none once the catalogue dropped it.
    pub(in crate::stages) fn entry(&self, order: &RenderOrder) -> Option<&Entry> {
        self.catalogue.get(&order.entry)
    }

    pub(in crate::stages) fn model(&self) -> Result<&PredictionModel, StageError> {
        model_of(&self.catalogue, self.step)
    }

    /// The most that one of its orders can cost. One that can no longer be made is not bought.
    pub(super) fn maximum(&self, order: &RenderOrder) -> Result<Micros, StageError> {
        match self.entry(order) {
            Some(entry) if self.step == Step::Gemini => {
                Ok(entry.maximum(self.lane, &order.request))
            }
            None if self.step == Step::Gemini => Ok(Micros::ZERO),
            _ => Ok(self.model()?.maximum()),
        }
    }

    /// Whether one of its orders can no longer be made.
    pub(super) fn is_dropped(&self) -> bool {
        self.step == Step::Gemini && self.orders.iter().any(|order| self.entry(order).is_none())
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

pub(in crate::stages) fn model_of(
    catalogue: &Catalogue,
    step: Step,
) -> Result<&PredictionModel, StageError> {
    let model = catalogue.prediction(step);
    model.ok_or_else(|| StageError::reject(format!("step {step} has no prediction model")))
}
