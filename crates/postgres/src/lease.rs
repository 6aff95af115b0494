use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{Connection, PgConnection};
use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, timeout},
};

/// A connection that was idle for longer is asked whether it still lives: a function freezes between
/// events.
const STALE: Duration = Duration::from_secs(1);
/// Until it has answered; one that died in silence never does.
const ANSWER: Duration = Duration::from_secs(1);

/// The connection for one call. A call that does not come to its end, because it failed, timed out
/// or was dropped, may leave a transaction behind: its connection is closed and not used again.
pub(crate) struct Lease {
    seat: OwnedMutexGuard<Option<Kept>>,
    connection: PgConnection,
}

impl Lease {
    pub(crate) const fn new(seat: OwnedMutexGuard<Option<Kept>>, connection: PgConnection) -> Self {
        Self { seat, connection }
    }

    /// The call came to its end.
    pub(crate) fn end(self) {
        let Self { mut seat, connection } = self;
        *seat = Some(Kept { connection, since: Instant::now() });
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// A connection between two calls.
pub(crate) struct Kept {
    connection: PgConnection,
    since: Instant,
}

impl Kept {
    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }

    /// The connection, unless it died meanwhile.
    pub(crate) async fn if_alive(mut self) -> Option<PgConnection> {
        if self.since.elapsed() > STALE {
            timeout(ANSWER, self.connection.ping()).await.ok()?.ok()?;
        }
        Some(self.connection)
    }
}
