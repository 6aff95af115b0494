use std::{fmt, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;
use tryon_core::ports::{Clock, PortError, Secret};

/// How long a secret serves for new connections: an IAM token lives 15 minutes, and a connection
/// outlives its token.
const FRESH: TimeDelta = TimeDelta::minutes(10);

/// Where the secret that opens the database comes from: a store, or a token signed on the spot.
#[async_trait]
pub trait SecretSource: Send + Sync + fmt::Debug {
    async fn secret(&self) -> Result<Secret, PortError>;
}

/// The secret of the day, asked for again as it ages.
pub(crate) struct Safe {
    source: Arc<dyn SecretSource>,
    clock: Arc<dyn Clock>,
    asked_at: Mutex<Option<DateTime<Utc>>>,
}

impl Safe {
    pub(crate) fn new(source: Arc<dyn SecretSource>, clock: Arc<dyn Clock>) -> Self {
        Self { source, clock, asked_at: Mutex::default() }
    }

    /// A new secret where the last one is too old.
    pub(crate) async fn renewed(&self) -> Result<Option<Secret>, PortError> {
        let mut asked_at = self.asked_at.lock().await;
        let now = self.clock.now();
        if asked_at.is_some_and(|at| now - at < FRESH) {
            return Ok(None);
        }
        let secret = self.source.secret().await?;
        *asked_at = Some(now);
        Ok(Some(secret))
    }

    /// The server refused the last one.
    pub(crate) async fn refused(&self) {
        *self.asked_at.lock().await = None;
    }
}
