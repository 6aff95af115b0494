use std::fmt;

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tryon_core::stages::{Invocation, StageError};

use crate::fault::Fault;

/// A function as Lambda sees it: an event in, an answer out.
#[async_trait]
pub trait Handler: Send + Sync + fmt::Debug {
    async fn call(&self, event: Value, invocation: Invocation) -> Result<Value, HandlerError>;
}

/// Why an invocation as a whole failed. Carries no piece of the event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HandlerError(String);

impl HandlerError {
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    pub(crate) fn event(fault: impl fmt::Display) -> Self {
        Self(format!("event cannot be read: {fault}"))
    }
}

impl From<StageError> for HandlerError {
    fn from(error: StageError) -> Self {
        Self(error.to_string())
    }
}

pub(crate) fn read<T: DeserializeOwned>(event: Value) -> Result<T, HandlerError> {
    serde_json::from_value(event)
        .map_err(|error| HandlerError::event(Fault::of(&error.to_string())))
}

pub(crate) fn write(answer: &impl Serialize) -> Result<Value, HandlerError> {
    serde_json::to_value(answer).map_err(|_| HandlerError::new("the answer cannot be written"))
}
