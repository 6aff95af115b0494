//! The house's health as anybody may see it: shares and counts, no amounts.

use serde::Serialize;
use tryon_core::{
    ports::{Backlog, QueueName},
    stages::{Breaker, Health, Model, Provider},
};

#[derive(Debug, Serialize)]
pub(super) struct HealthView {
    status: &'static str,
    breakers: Breakers,
    /// The health breakers of the backends.
    providers: Vec<ProviderView>,
    models: Vec<ModelView>,
    open_batches: u64,
    queues: Vec<QueueView>,
}

#[derive(Debug, Serialize)]
struct Breakers {
    google: BreakerView,
    replicate: BreakerView,
}

#[derive(Debug, Serialize)]
struct BreakerView {
    state: &'static str,
    committed_percent: u64,
}

#[derive(Debug, Serialize)]
struct ProviderView {
    name: &'static str,
    state: &'static str,
    failed_percent: u64,
}

#[derive(Debug, Serialize)]
struct ModelView {
    name: &'static str,
    failed_percent: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u64>,
}

#[derive(Debug, Serialize)]
struct QueueView {
    name: &'static str,
    messages: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_seconds: Option<u64>,
    dead: u64,
}

impl From<&Health> for HealthView {
    fn from(health: &Health) -> Self {
        Self {
            status: if health.is_good() { "ok" } else { "degraded" },
            breakers: Breakers { google: health.google.into(), replicate: health.replicate.into() },
            providers: health.providers.iter().map(ProviderView::from).collect(),
            models: health.models.iter().map(ModelView::from).collect(),
            open_batches: health.open_batches,
            queues: health.queues.iter().map(QueueView::from).collect(),
        }
    }
}

impl From<Breaker> for BreakerView {
    fn from(breaker: Breaker) -> Self {
        Self { state: breaker.verdict.as_str(), committed_percent: breaker.committed_percent }
    }
}

impl From<&Provider> for ProviderView {
    fn from(provider: &Provider) -> Self {
        let Provider { backend, gate, failed_percent } = *provider;
        Self { name: backend.as_str(), state: gate.as_str(), failed_percent }
    }
}

impl From<&Model> for ModelView {
    fn from(model: &Model) -> Self {
        let Model { step, failed_percent, takes } = *model;
        let seconds = takes.map(|takes| takes.as_millis().div_ceil(1_000));
        let seconds = seconds.map(|seconds| u64::try_from(seconds).unwrap_or(u64::MAX));
        Self { name: step.as_str(), failed_percent, seconds }
    }
}

impl From<&Backlog> for QueueView {
    fn from(backlog: &Backlog) -> Self {
        let Backlog { queue, messages, oldest_seconds, dead } = *backlog;
        Self { name: QueueName::as_str(queue), messages, oldest_seconds, dead }
    }
}
