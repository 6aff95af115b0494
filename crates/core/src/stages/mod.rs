//! The rooms: each function's work, free of how it is woken.

mod accumulator;
mod buyer;
mod courier;
mod distributor;
mod imagen;
mod live_catalogue;
mod ops;
mod pulse;
mod reconciler;
mod replicate;
mod report;
mod rollout;
mod router;
mod setup;

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use self::{
    accumulator::Accumulator,
    buyer::Buyer,
    courier::Courier,
    distributor::Distributor,
    imagen::Imagen,
    live_catalogue::LiveCatalogue,
    ops::{NewWaiver, Ops, OpsError},
    pulse::Pulse,
    reconciler::{Found, Reconciler},
    replicate::Replicate,
    report::Report,
    rollout::{Rollout, RolloutReport},
    router::{
        AcceptError, Accepted, Breaker, Caller, Health, HealthCache, Model, NewRender, NewUpload,
        Page, PictureLink, Provider, RateError, Router, RouterConfig, Upload,
    },
    setup::Setup,
};
use crate::ports::PortError;

/// One wake-up of a function.
#[derive(Clone, Copy, Debug)]
pub struct Invocation {
    /// When the runtime kills it.
    pub deadline: DateTime<Utc>,
}

/// What the queue must do with a message that was not handled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// Deliver it again.
    #[error("retry: {0}")]
    Retry(String),
    /// No delivery can help: put it aside with the reason.
    #[error("reject: {0}")]
    Reject(String),
}

impl StageError {
    pub fn retry(reason: impl fmt::Display) -> Self {
        Self::Retry(reason.to_string())
    }

    pub fn reject(reason: impl fmt::Display) -> Self {
        Self::Reject(reason.to_string())
    }
}

impl From<PortError> for StageError {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Unavailable(reason) => Self::Retry(reason),
            PortError::Broken(reason) => Self::Reject(reason),
        }
    }
}

/// A stage that is woken by messages of one type.
#[async_trait]
pub trait Consumer<M>: Send + Sync {
    /// Handles the messages and answers for each, in the order given.
    async fn consume(&self, messages: Vec<M>, call: &Invocation) -> Vec<Result<(), StageError>>;
}
