//! One handler per function.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use aws_lambda_events::event::sqs::SqsEvent;
use serde_json::Value;
use tryon_core::{
    messages::{PipelineEvent, ToAccumulator, ToImagen, ToReplicate, WireMessage},
    ports::{Queue, QueueName},
    stages::{Consumer, Invocation, Ops, Reconciler, Rollout, Router},
};

use crate::{
    handler::{Handler, HandlerError, read, write},
    http::{Api, HttpConfig},
    schedule, sqs,
};

/// A function that one or more queues feed; which one, an event's `eventSourceARN` says.
pub struct SqsHandler<M> {
    stage: Arc<dyn Consumer<M>>,
    rejects: Arc<dyn Queue>,
    queues: &'static [QueueName],
}

pub type AccumulatorHandler = SqsHandler<ToAccumulator>;
pub type ImagenHandler = SqsHandler<ToImagen>;
pub type ReplicateHandler = SqsHandler<ToReplicate>;
pub type DistributorHandler = SqsHandler<PipelineEvent>;

impl AccumulatorHandler {
    pub fn new(stage: Arc<dyn Consumer<ToAccumulator>>, rejects: Arc<dyn Queue>) -> Self {
        Self { stage, rejects, queues: &[QueueName::Accumulator] }
    }
}

impl ImagenHandler {
    pub fn new(stage: Arc<dyn Consumer<ToImagen>>, rejects: Arc<dyn Queue>) -> Self {
        Self { stage, rejects, queues: &[QueueName::ImagenOnline, QueueName::ImagenJobs] }
    }
}

impl ReplicateHandler {
    pub fn new(stage: Arc<dyn Consumer<ToReplicate>>, rejects: Arc<dyn Queue>) -> Self {
        Self { stage, rejects, queues: &[QueueName::Replicate] }
    }
}

impl DistributorHandler {
    pub fn new(stage: Arc<dyn Consumer<PipelineEvent>>, rejects: Arc<dyn Queue>) -> Self {
        Self { stage, rejects, queues: &[QueueName::GeminiBatch] }
    }
}

impl<M> fmt::Debug for SqsHandler<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsHandler").field("queues", &self.queues).finish_non_exhaustive()
    }
}

#[async_trait]
impl<M: WireMessage + Send> Handler for SqsHandler<M> {
    async fn call(&self, event: Value, invocation: Invocation) -> Result<Value, HandlerError> {
        let event: SqsEvent = read(event)?;
        let queue = sqs::source(&event, self.queues)?;
        let (stage, rejects) = (self.stage.as_ref(), self.rejects.as_ref());
        let answer = if queue.is_fifo() {
            sqs::handle_fifo(event, queue, stage, rejects, &invocation).await?
        } else {
            sqs::handle_standard(event, queue, stage, rejects, &invocation).await?
        };
        write(&answer)
    }
}

/// The reconciler, woken by its schedule.
#[derive(Debug)]
pub struct ReconcilerHandler {
    stage: Arc<Reconciler>,
}

impl ReconcilerHandler {
    pub fn new(stage: Arc<Reconciler>) -> Self {
        Self { stage }
    }
}

#[async_trait]
impl Handler for ReconcilerHandler {
    async fn call(&self, event: Value, invocation: Invocation) -> Result<Value, HandlerError> {
        let found =
            schedule::handle(event, async || Ok(self.stage.run(&invocation).await?)).await?;
        let (renders, batches, attempts) = (found.renders, found.batches, found.attempts);
        tracing::info!(renders, batches, attempts, "looked after what was due");
        Ok(Value::Null)
    }
}

/// The rollout, woken by its schedule and by alarms.
#[derive(Debug)]
pub struct RolloutHandler {
    stage: Arc<Rollout>,
}

impl RolloutHandler {
    pub fn new(stage: Arc<Rollout>) -> Self {
        Self { stage }
    }
}

#[async_trait]
impl Handler for RolloutHandler {
    async fn call(&self, event: Value, invocation: Invocation) -> Result<Value, HandlerError> {
        let work = async || Ok(self.stage.run(&invocation).await?);
        let step = schedule::handle_alarm(event, work).await?;
        tracing::info!(?step, "asked the gates");
        Ok(Value::Null)
    }
}

/// The router, behind the HTTP API.
#[derive(Debug)]
pub struct RouterHandler {
    api: Api,
}

impl RouterHandler {
    /// Pages of other origins may not call it.
    pub fn new(stage: Arc<Router>) -> Self {
        Self::with_config(stage, HttpConfig::default())
    }

    pub fn with_config(stage: Arc<Router>, config: HttpConfig) -> Self {
        Self { api: Api::new(stage, config) }
    }

    /// The same with routes for operators.
    #[must_use]
    pub fn with_ops(self, ops: Arc<Ops>) -> Self {
        Self { api: self.api.with_ops(ops) }
    }
}

#[async_trait]
impl Handler for RouterHandler {
    async fn call(&self, event: Value, _invocation: Invocation) -> Result<Value, HandlerError> {
        self.api.answer(event).await
    }
}
