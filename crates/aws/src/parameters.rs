//! Parameters that the system writes: its status, and at deploy the knobs that are missing.

#[cfg(test)]
mod tests;

use std::fmt;

use async_trait::async_trait;
use aws_sdk_ssm::{
    Client,
    operation::{get_parameter::GetParameterError, put_parameter::PutParameterError},
    types::ParameterType,
};
use tryon_core::ports::{KnobStore, Knobs, PortError, StatusBoard, StatusName};

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

    async fn put(&self, name: &str, text: &str) -> Result<(), PortError> {
        let put = self.ssm.put_parameter().name(format!("{}{name}", self.prefix));
        let put = put.value(text).r#type(ParameterType::String).overwrite(true);
        put.send().await.map(drop).map_err(|error| port_error("PutParameter", &error))
    }
}

#[async_trait]
impl StatusBoard for Parameters {
    async fn post(&self, name: StatusName, text: &str) -> Result<(), PortError> {
        self.put(name.as_str(), text).await
    }

    async fn read(&self, name: StatusName) -> Result<Option<String>, PortError> {
        let get = self.ssm.get_parameter().name(format!("{}{}", self.prefix, name.as_str()));
        match get.send().await {
            Ok(found) => Ok(found.parameter.and_then(|parameter| parameter.value)),
            Err(error) => match error.as_service_error() {
                Some(GetParameterError::ParameterNotFound(_)) => Ok(None),
                _ => Err(port_error("GetParameter", &error)),
            },
        }
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

#[async_trait]
impl Knobs for Parameters {
    async fn turn(&self, name: &str, text: &str) -> Result<(), PortError> {
        self.put(name, text).await
    }
}
