//! Passwords for a database that takes IAM users, signed here without a call.

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4::SigningParams,
};
use http::Request;
use tryon_core::ports::{Clock, PortError, Secret};

/// How long a token opens new connections; those that are open stay so.
const LIFE: Duration = Duration::from_secs(15 * 60);
const SCHEME: &str = "https://";

/// A database as an IAM user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseUser {
    pub host: String,
    pub port: u16,
    pub user: String,
}

/// Makes tokens with the process's credentials (`rds-db:connect`).
pub struct DatabaseToken {
    config: SdkConfig,
    clock: Arc<dyn Clock>,
    database: DatabaseUser,
}

impl fmt::Debug for DatabaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseToken").field("database", &self.database).finish_non_exhaustive()
    }
}

impl DatabaseToken {
    pub fn new(config: SdkConfig, clock: Arc<dyn Clock>, database: DatabaseUser) -> Self {
        Self { config, clock, database }
    }

    /// A password for the next 15 minutes, or as long as the credentials last.
    pub async fn token(&self) -> Result<Secret, PortError> {
        let broken = |fault: &str| PortError::Broken(format!("a database token: {fault}"));
        let provider = self.config.credentials_provider();
        let provider = provider.ok_or_else(|| broken("no credentials are configured"))?;
        let credentials = provider.provide_credentials().await.map_err(|_| {
            PortError::Unavailable("a database token: the credentials cannot be read".to_owned())
        })?;
        let region = self.config.region().ok_or_else(|| broken("no region is configured"))?;
        let mut settings = SigningSettings::default();
        settings.expires_in = Some(LIFE);
        settings.signature_location = SignatureLocation::QueryParams;
        let identity = credentials.into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(region.as_ref())
            .name("rds-db")
            .time(self.clock.now().into())
            .settings(settings)
            .build()
            .map_err(|_| broken("it cannot be signed"))?;
        let address = self.address();
        let request =
            SignableRequest::new("GET", &address, [].into_iter(), SignableBody::Bytes(&[]));
        let signed = request.and_then(|request| sign(request, &params.into()));
        let (instructions, _) = signed.map_err(|_| broken("it cannot be signed"))?.into_parts();
        let unusable = |_| broken("the address is none");
        let mut request = Request::get(&address).body(()).map_err(unusable)?;
        instructions.apply_to_request_http1x(&mut request);
        let signed = request.uri().to_string();
        Ok(Secret::new(signed.strip_prefix(SCHEME).unwrap_or(&signed)))
    }

    fn address(&self) -> String {
        let DatabaseUser { host, port, user } = &self.database;
        let user: String = form_urlencoded::byte_serialize(user.as_bytes()).collect();
        format!("{SCHEME}{host}:{port}/?Action=connect&DBUser={user}")
    }
}
