//! Parameters that the system writes: its status, and at deploy the knobs that are missing.

#[cfg(test)]
mod tests;

use std::fmt;

use async_trait::async_trait;
use aws_sdk_ssm::{Client, operation::put_parameter::PutParameterError, types::ParameterType};
use tryon_core::ports::{KnobStore, PortError, StatusBoard, StatusName};

use crate::errors::port_error;

/// Writes below `/garmaxai/gemini/${Stage}/`.
pub struct Parameters {
    ssm: Client,
    prefix: String,
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameters").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Parameters {
    pub fn new(ssm: Client, stage: &str) -> Self {
        Self { ssm, prefix: format!("/garmaxai/gemini/{stage}/") }
    }
}

#[async_trait]
impl StatusBoard for Parameters {
    async fn post(&self, name: StatusName, text: &str) -> Result<(), PortError> {
        let put = self.ssm.put_parameter().name(format!("{}{}", self.prefix, name.as_str()));
        let put = put.value(text).r#type(ParameterType::String).overwrite(true);
        put.send().await.map(drop).map_err(|error| port_error("PutParameter", &error))
    }
}

#[async_trait]
impl KnobStore for Parameters {
    async fn create(&self, name: &str, text: &str) -> Result<bool, PortError> {
        let put = self.ssm.put_parameter().name(format!("{}{name}", self.prefix));
        let put = put.value(text).r#type(ParameterType::String).overwrite(false);
        let Err(error) = put.send().await else { return Ok(true) };
        match error.as_service_error() {
            Some(PutParameterError::ParameterAlreadyExists(_)) => Ok(false),
            _ => Err(port_error("PutParameter", &error)),
        }
    }
}
