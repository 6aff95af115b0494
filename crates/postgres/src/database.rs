use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{
    Connection, PgConnection, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{sync::Mutex, time::timeout};
use tryon_core::ports::{PortError, Schema};

use crate::{
    config::{DatabaseConfig, Login},
    errors::{Failure, port_error},
    lease::{Kept, Lease},
};

/// Until there is a connection. Longer than that, a message is better tried again later.
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Until others let go of a row: each holds it for milliseconds.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// Until a statement has its answer, its waits for locks included; the longest takes some hundred
/// milliseconds.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(8);
/// Until the server ends the transaction of a function that was frozen or killed, and frees its rows.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// All of a call, should the server or the way there have died in silence. Two in a row fit the 50
/// seconds of a function.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// The render and batch rows of one database, over one connection that opens when it is needed.
#[derive(Clone)]
pub struct Database {
    /// Opens connections, again and again while a server starts. It never gets one back: it would ask
    /// whether that still lives, and wait for the answer without a limit.
    pool: PgPool,
    /// The connection between two calls. Whoever holds the lock has the call.
    seat: Arc<Mutex<Option<Kept>>>,
    login: Login,
}

impl Database {
    /// Connects to nothing yet. Wants a Tokio runtime.
    pub fn new(config: DatabaseConfig) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(with_manners(config.options));
        Self { pool, seat: Arc::default(), login: config.login }
    }

    /// Brings the schema up to this binary's; a newer one is left as it is. May run any number of
    /// times, at once too.
    pub async fn migrate(&self) -> Result<(), PortError> {
        self.renew_login().await?;
        let options = self.pool.connect_options().as_ref().clone();
        // An index may take its time; whoever waits for a lock may still not.
        let options = options.options([("statement_timeout", "0")]);
        let connected = timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(&options)).await;
        let connected = connected.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut));
        let mut connection = match connected.map_err(Failure::from) {
            Ok(connection) => connection,
            Err(failure) => {
                self.heed(&failure).await;
                return Err(failure.into());
            }
        };
        migrator().run_direct(None, &mut connection, false).await.map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                port_error(&error)
            }
            MigrateError::VersionMismatch(version) => {
                PortError::Broken(format!("migration {version} was changed after it was applied"))
            }
            _ => PortError::Broken("migrations do not fit the database".to_owned()),
        })
    }

    /// Says goodbye to the server, which would otherwise count the connection until it misses it.
    pub async fn close(&self) {
        if let Ok(seat) = self.seat.clone().try_lock_owned()
            && let Some(kept) = { seat }.take()
            && let Err(error) = kept.close().await
        {
            tracing::debug!(%error, "the server did not hear the goodbye");
        }
    }

    /// The connection, for one call.
    pub(crate) async fn lease(&self) -> Result<Lease, Failure> {
        let seat = timeout(ACQUIRE_TIMEOUT, self.seat.clone().lock_owned());
        let mut seat = seat.await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let kept = match seat.take() {
            Some(kept) => kept.if_alive().await,
            None => None,
        };
        let connection = if let Some(connection) = kept {
            connection
        } else {
            self.renew_login().await?;
            self.pool.acquire().await?.detach()
        };
        Ok(Lease::new(seat, connection))
    }

    /// Runs a call within its time.
    pub(crate) async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, PortError> {
        let silent = || PortError::Unavailable("database did not answer in time".to_owned());
        let result = timeout(CALL_TIMEOUT, call).await.unwrap_or_else(|_| Err(silent().into()));
        if let Err(failure) = &result {
            self.heed(failure).await;
        }
        Ok(result?)
    }

    /// A secret that was refused is not used again.
    async fn heed(&self, failure: &Failure) {
        if let Some(safe) = self.login.safe()
            && failure.is_refused_login()
        {
            safe.refused().await;
        }
    }

    async fn renew_login(&self) -> Result<(), PortError> {
        let Some(safe) = self.login.safe() else { return Ok(()) };
        let Some(secret) = safe.renewed().await? else { return Ok(()) };
        let options = if let Login::Url(_, tls) = &self.login {
            match DatabaseConfig::new(secret.reveal(), tls.clone()) {
                Ok(config) => with_manners(config.options),
                Err(error) => {
                    safe.refused().await;
                    // It works once ops have put it right.
                    return Err(PortError::Unavailable(error.to_string()));
                }
            }
        } else {
            self.pool.connect_options().as_ref().clone().password(secret.reveal())
        };
        self.pool.set_connect_options(options);
        Ok(())
    }
}

/// What every connection keeps to.
fn with_manners(options: PgConnectOptions) -> PgConnectOptions {
    let millis = |timeout: Duration| timeout.as_millis().to_string();
    options.application_name("tryon").options([
        ("statement_timeout", millis(STATEMENT_TIMEOUT)),
        ("lock_timeout", millis(LOCK_TIMEOUT)),
        ("idle_in_transaction_session_timeout", millis(IDLE_TIMEOUT)),
        // A plan serves as long as its connection, also once the table has grown; every query has
        // its index.
        ("enable_seqscan", "off".to_owned()),
        // What follows a lock is read as the last holder left it.
        ("default_transaction_isolation", "read committed".to_owned()),
    ])
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

/// The migrations that this binary knows. What a newer one has applied does not disturb it.
pub fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../../migrations");
    migrator.set_ignore_missing(true);
    migrator
}

#[async_trait]
impl Schema for Database {
    async fn migrate(&self) -> Result<(), PortError> {
        Self::migrate(self).await
    }
}
