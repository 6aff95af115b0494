//! Secrets from Parameter Store, where they lie encrypted.

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_ssm::{
    Client,
    config::{Config, timeout::TimeoutConfig},
};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;
use tryon_core::ports::{Clock, PortError, Secret, SecretName, Secrets};

use crate::errors::port_error;

/// How long a secret is good for once it was read.
const CACHE: TimeDelta = TimeDelta::minutes(5);
/// The least time between two reads of a secret: whoever wants a fresh one sooner gets what the last
/// read gave.
const AGAIN: TimeDelta = TimeDelta::seconds(3);
/// The longest a read takes where an older secret would do.
const PATIENCE: Duration = Duration::from_secs(2);

/// Secrets, each read at first use, by one caller at a time.
pub struct ParameterSecrets {
    ssm: Client,
    clock: Arc<dyn Clock>,
    stage: String,
    database: String,
    service_account: Mutex<Known>,
    api_key: Mutex<Known>,
    replicate_token: Mutex<Known>,
    database_url: Mutex<Known>,
}

impl fmt::Debug for ParameterSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParameterSecrets").field("stage", &self.stage).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Known {
    secret: Option<Secret>,
    /// When the store was last asked, and why that failed where it did.
    asked: Option<(DateTime<Utc>, Result<(), PortError>)>,
}

impl ParameterSecrets {
    pub fn new(ssm: Client, clock: Arc<dyn Clock>, stage: &str) -> Self {
        Self {
            ssm,
            clock,
            stage: stage.to_owned(),
            database: format!("/garmaxai/gemini/{stage}/database-url"),
            service_account: Mutex::default(),
            api_key: Mutex::default(),
            replicate_token: Mutex::default(),
            database_url: Mutex::default(),
        }
    }

    /// Reads the database's secret from this parameter instead: Parameter Store passes the secrets of
    /// Secrets Manager on, below `/aws/reference/secretsmanager/`.
    #[must_use]
    pub fn with_database(self, parameter: impl Into<String>) -> Self {
        Self { database: parameter.into(), ..self }
    }

    /// The parameter's name, and what is known of it.
    fn place(&self, name: SecretName) -> (String, &Mutex<Known>) {
        let stage = &self.stage;
        let gemini = |last: &str| format!("/garmaxai/gemini/{stage}/{last}");
        match name {
            SecretName::ServiceAccount => (gemini("service-account-json"), &self.service_account),
            SecretName::ApiKey => (gemini("api-key"), &self.api_key),
            SecretName::ReplicateToken => {
                (format!("/garmaxai/replicate/{stage}/api-token"), &self.replicate_token)
            }
            SecretName::DatabaseUrl => (self.database.clone(), &self.database_url),
        }
    }

    /// `hurried`: there is an older one that would do.
    async fn ask(&self, parameter: &str, hurried: bool) -> Result<Secret, PortError> {
        let call = format!("GetParameter {parameter}");
        let ask = self.ssm.get_parameter().name(parameter).with_decryption(true);
        let mut ask = ask.customize();
        if hurried {
            let time = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
            ask = ask.config_override(Config::builder().timeout_config(time));
        }
        // It may be there, or be readable, after ops have looked.
        let found = ask.send().await.map_err(|error| match port_error(&call, &error) {
            PortError::Broken(text) | PortError::Unavailable(text) => PortError::Unavailable(text),
        })?;
        let text = found.parameter().and_then(|parameter| parameter.value());
        // Who stores a file stores the end of its last line, too.
        text.map(|text| Secret::new(text.trim()))
            .ok_or_else(|| PortError::Unavailable(format!("{call}: no value")))
    }
}

#[async_trait]
impl Secrets for ParameterSecrets {
    async fn secret(&self, name: SecretName, fresh: bool) -> Result<Secret, PortError> {
        let (parameter, known) = self.place(name);
        let mut known = known.lock().await;
        if let Some(answer) = known.answer(self.clock.now(), fresh) {
            return answer;
        }
        let asked = self.ask(&parameter, known.secret.is_some() && !fresh).await;
        let result = asked.as_ref().map(|_| ()).map_err(Clone::clone);
        known.asked = Some((self.clock.now(), result));
        match asked {
            Ok(secret) => known.secret = Some(secret),
            Err(error) => tracing::warn!(%error, "a secret cannot be read"),
        }
        known.last(fresh)
    }
}

impl Known {
    /// What can be said without asking.
    fn answer(&self, now: DateTime<Utc>, fresh: bool) -> Option<Result<Secret, PortError>> {
        let (at, result) = self.asked.as_ref()?;
        let holds = if fresh || result.is_err() { AGAIN } else { CACHE };
        (now.signed_duration_since(*at) < holds).then(|| self.last(fresh))
    }

    /// What the last read gave. After one that failed, an older secret serves whoever was not refused
    /// with it.
    fn last(&self, fresh: bool) -> Result<Secret, PortError> {
        match (&self.asked, &self.secret) {
            (Some((_, Err(error))), Some(_)) if fresh => Err(error.clone()),
            (_, Some(secret)) => Ok(secret.clone()),
            (Some((_, Err(error))), None) => Err(error.clone()),
            (_, None) => Err(PortError::Unavailable("the secret was not read".to_owned())),
        }
    }
}
