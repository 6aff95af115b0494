use std::{fmt, net::IpAddr, sync::Arc};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tryon_core::ports::Clock;

use crate::safe::{Safe, SecretSource};

/// The authorities that sign certificates of RDS servers and proxies, in all regions.
const RDS_CA: &[u8] = include_bytes!("../rds-ca.pem");

/// How the connection is secured.
#[derive(Clone, Debug)]
pub enum TlsMode {
    /// The server's certificate must name its host, signed by one of Amazon's authorities for RDS (or
    /// by a public one).
    Rds,
    /// The same, signed by one of these authorities (PEM), or by a public one.
    Authorities(Vec<u8>),
    /// None at all; for a server on this machine.
    Off,
}

/// Why a configuration is refused. The URL holds a secret and is never shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("the database URL is not of the form postgres://user:password@host:port/name")]
    Url,
    #[error("the database URL has parameters; settings are not made there")]
    Parameters,
    #[error("TLS is off for a host that is not this machine")]
    Plaintext,
}

/// Where the database is, and how to get in.
#[derive(Clone)]
pub struct DatabaseConfig {
    pub(crate) options: PgConnectOptions,
    pub(crate) login: Login,
}

/// What opens the database.
#[derive(Clone)]
pub(crate) enum Login {
    /// The options as they are.
    Known,
    /// The options with this password.
    Password(Arc<Safe>),
    /// A URL in place of the options.
    Url(Arc<Safe>, TlsMode),
}

impl Login {
    pub(crate) fn safe(&self) -> Option<&Safe> {
        match self {
            Self::Known => None,
            Self::Password(safe) | Self::Url(safe, _) => Some(safe),
        }
    }
}

impl DatabaseConfig {
    /// From a URL of the form `postgres://user:password@host:port/name`.
    pub fn new(url: &str, tls: TlsMode) -> Result<Self, ConfigError> {
        let (_, rest) = url
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "postgres" | "postgresql"))
            .ok_or(ConfigError::Url)?;
        if rest.contains('?') {
            // What is unknown there is logged with its value by the driver.
            return Err(ConfigError::Parameters);
        }
        let options: PgConnectOptions = url.parse().map_err(|_| ConfigError::Url)?;
        if rest.starts_with('/') || options.get_socket().is_some() {
            return Err(ConfigError::Url);
        }
        let options = match tls {
            TlsMode::Rds => {
                options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert_from_pem(RDS_CA.to_vec())
            }
            TlsMode::Authorities(pem) => {
                options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert_from_pem(pem)
            }
            TlsMode::Off if is_this_machine(options.get_host()) => {
                options.ssl_mode(PgSslMode::Disable)
            }
            TlsMode::Off => return Err(ConfigError::Plaintext),
        };
        Ok(Self { options, login: Login::Known })
    }

    /// Takes passwords from `source` instead of the URL.
    #[must_use]
    pub fn with_passwords(self, source: Arc<dyn SecretSource>, clock: Arc<dyn Clock>) -> Self {
        Self { login: Login::Password(Arc::new(Safe::new(source, clock))), ..self }
    }

    /// Takes the whole URL from `source`, once there is something to open.
    pub fn in_secret(source: Arc<dyn SecretSource>, tls: TlsMode, clock: Arc<dyn Clock>) -> Self {
        let login = Login::Url(Arc::new(Safe::new(source, clock)), tls);
        Self { options: PgConnectOptions::new_without_pgpass(), login }
    }
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseConfig")
            .field("host", &self.options.get_host())
            .finish_non_exhaustive()
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    // The last is what a container calls the machine that runs it.
    ["localhost", "host.docker.internal"].contains(&host)
        || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str, tls: TlsMode) -> ConfigError {
        DatabaseConfig::new(url, tls).unwrap_err()
    }

    #[test]
    fn says_what_is_wrong_and_shows_nothing() {
        for (url, error) in [
            ("hunter2", ConfigError::Url),
            ("mysql://u:hunter2@127.0.0.1/db", ConfigError::Url),
            ("postgres://u:hunter2@127.0.0.1:port/db", ConfigError::Url),
            ("postgres:///hunter2", ConfigError::Url),
            ("postgres://u:hunter2@%2Ftmp/db", ConfigError::Url),
            ("postgres://u@127.0.0.1/db?password=hunter2", ConfigError::Parameters),
            ("postgres://u:hunter2@10.0.0.1/db", ConfigError::Plaintext),
            ("postgres://u:hunter2@127.0.0.1.example.com/db", ConfigError::Plaintext),
            ("postgres://u:hunter2@host.docker.internal.example.com/db", ConfigError::Plaintext),
        ] {
            let refused = refusal(url, TlsMode::Off);
            assert_eq!(refused, error, "{url}");
            assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn only_this_machine_goes_without_tls() {
        for host in ["localhost", "host.docker.internal", "127.0.0.1", "[::1]"] {
            let config = DatabaseConfig::new(&format!("postgres://u@{host}:5/db"), TlsMode::Off);
            assert!(config.is_ok(), "{host}");
        }
    }

    #[test]
    fn shows_no_password() {
        let config = DatabaseConfig::new("postgres://u:hunter2@db.example.com/x", TlsMode::Rds);
        let shown = format!("{:?}", config.unwrap());
        assert_eq!(shown, r#"DatabaseConfig { host: "db.example.com", .. }"#);
    }
}
