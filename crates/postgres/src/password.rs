use std::{fmt, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;
use tryon_core::ports::{Clock, PortError, Secret};

/// How long a password serves for new connections: an IAM token lives 15 minutes, and a connection
/// outlives its token.
const FRESH: TimeDelta = TimeDelta::minutes(10);

/// Where the database's password comes from: a secret, or a token signed on the spot.
#[async_trait]
pub trait PasswordSource: Send + Sync + fmt::Debug {
    async fn password(&self) -> Result<Secret, PortError>;
}

/// The password of the day, asked for again as it ages.
pub(crate) struct Passwords {
    source: Arc<dyn PasswordSource>,
    clock: Arc<dyn Clock>,
    asked_at: Mutex<Option<DateTime<Utc>>>,
}

impl Passwords {
    pub(crate) fn new(source: Arc<dyn PasswordSource>, clock: Arc<dyn Clock>) -> Self {
        Self { source, clock, asked_at: Mutex::default() }
    }

    /// A new password where the last one is too old.
    pub(crate) async fn renewed(&self) -> Result<Option<Secret>, PortError> {
        let mut asked_at = self.asked_at.lock().await;
        let now = self.clock.now();
        if asked_at.is_some_and(|at| now - at < FRESH) {
            return Ok(None);
        }
        let password = self.source.password().await?;
        *asked_at = Some(now);
        Ok(Some(password))
    }

    /// The server refused the last one.
    pub(crate) async fn refused(&self) {
        *self.asked_at.lock().await = None;
    }
}
