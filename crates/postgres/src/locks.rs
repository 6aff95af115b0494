use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Transaction};
use tryon_core::{catalogue::BatchKey, ids::UserId, routing::murmur3_x86_32};

/// What a transaction may have to itself until it ends. Two names may share a lock, and then wait for
/// each other; that is all.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lock<'a> {
    /// The inserts of a user.
    User(&'a UserId),
    /// The appends of a key.
    Key(&'a BatchKey),
}

impl Lock<'_> {
    /// Begins a transaction that holds the lock; one round trip. What it reads next, it reads as the
    /// last holder left it.
    pub(crate) async fn begin(
        self,
        connection: &mut PgConnection,
    ) -> sqlx::Result<Transaction<'_, Postgres>> {
        let (class, hash) = self.numbers();
        let begin = format!("BEGIN; SELECT pg_advisory_xact_lock({class}, {hash})");
        connection.begin_with(AssertSqlSafe(begin)).await
    }

    /// Takes the lock in a transaction under way.
    pub(crate) async fn take(self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let (class, hash) = self.numbers();
        sqlx::query!("SELECT pg_advisory_xact_lock($1, $2)", class, hash)
            .execute(connection)
            .await?;
        Ok(())
    }

    fn numbers(self) -> (i32, i32) {
        let (class, name) = match self {
            Self::User(user) => (1, user.to_string()),
            Self::Key(key) => (2, key.to_string()),
        };
        (class, murmur3_x86_32(name.as_bytes()).cast_signed())
    }
}
