//! Render rows.

mod row;

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, types::Json};
use tryon_core::{
    ids::{BatchId, RenderId, UserId},
    ops::Share,
    ports::{HourlyLimit, Inserted, PortError, Renders},
    render::Render,
};

pub(crate) use self::row::Joined;
use self::row::{Columns, RenderRow};
use crate::{
    Database,
    columns::{Raw, RowOf, legible, stored_count},
    errors::{Failure, Inconsistency},
    locks::Lock,
};

/// `SELECT` of whole rows; what follows the table's name is given.
macro_rules! select {
    ($tail:tt $(, $arg:expr)*) => {
        sqlx::query_as!(
            RenderRow,
            r#"SELECT id, version, user_id, idempotency_key, fingerprint, request AS "request: Raw",
                bucket, assigned, accepted_at, deadline_at, give_up_at, served, lane, entry, status,
                step, n, run_until, to_join, google_failed,
                course AS "course: Raw", interim AS "interim: Raw", granted,
                rescue AS "rescue: Raw", grounds AS "grounds: Raw", open_attempts, owed AS "owed: Raw", due_at, costs AS "costs: Raw",
                picture AS "picture: Raw", fidelity, size, failure_code, ended_at
            FROM renders "# + $tail
            $(, $arg)*
        )
    };
}

#[async_trait]
impl Renders for Database {
    async fn insert(&self, render: Render, limit: HourlyLimit) -> Result<Inserted, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            // One insert of a user at a time: the limit counts what the one before it wrote.
            let mut transaction = Lock::User(&render.user_id).begin(&mut lease).await?;
            let met = insert(&mut transaction, render, limit).await?;
            transaction.commit().await?;
            lease.end();
            Ok(met)
        })
        .await
    }

    async fn list(
        &self,
        user: &UserId,
        before: Option<&RenderId>,
        most: usize,
    ) -> Result<Vec<Render>, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            let rows = select!(
                "WHERE user_id = $1 AND ($2::text IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
                user.as_str(),
                before.map(RenderId::as_str),
                stored_count(most)
            );
            let rows = rows.fetch_all(&mut *lease).await?;
            lease.end();
            Ok(legible(rows))
        })
        .await
    }

    async fn by_key(&self, user: &UserId, key: &str) -> Result<Option<Render>, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            let found = by_key(&mut lease, user, key).await?;
            lease.end();
            Ok(found)
        })
        .await
    }

    async fn get(&self, ids: &[RenderId]) -> Result<Vec<Render>, PortError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.within(async {
            let mut lease = self.lease().await?;
            let rows = select!("WHERE id = ANY($1)", &texts(ids)).fetch_all(&mut *lease).await?;
            lease.end();
            whole(rows)
        })
        .await
    }

    async fn update(&self, renders: &[Render]) -> Result<Vec<bool>, PortError> {
        if renders.is_empty() {
            return Ok(Vec::new());
        }
        self.within(async {
            let mut lease = self.lease().await?;
            let mut written = update(&mut lease, renders).await?;
            lease.end();
            // A row that was given twice was written once.
            Ok(renders.iter().map(|render| written.remove(render.id.as_str())).collect())
        })
        .await
    }

    async fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Render>, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            let tail =
                select!("WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2", now, stored_count(most));
            let rows = tail.fetch_all(&mut *lease).await?;
            lease.end();
            Ok(legible(rows))
        })
        .await
    }

    async fn shares(&self, since: DateTime<Utc>) -> Result<Vec<Share>, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            // Ids begin with the time of acceptance.
            let first = BatchId::earliest(since);
            let rows = sqlx::query_as!(
                Tally,
                r#"SELECT assigned, served, lane, count(*) AS "renders!",
                    count(*) FILTER (WHERE status = 'succeeded') AS "succeeded!",
                    count(*) FILTER (WHERE status = 'failed') AS "failed!"
                FROM renders WHERE id >= $1
                GROUP BY assigned, served, lane ORDER BY assigned, served, lane DESC"#,
                first.as_str()
            );
            let rows = rows.fetch_all(&mut *lease).await?;
            lease.end();
            let of = RowOf { table: "renders", id: "of an hour" };
            let share = |row: Tally| {
                Ok(Share {
                    assigned: of.word("assigned", &row.assigned)?,
                    served: of.word("served", &row.served)?,
                    lane: of.word("lane", &row.lane)?,
                    renders: of.number("renders", row.renders)?,
                    succeeded: of.number("succeeded", row.succeeded)?,
                    failed: of.number("failed", row.failed)?,
                })
            };
            Ok(rows.into_iter().map(share).collect::<Result<_, Inconsistency>>()?)
        })
        .await
    }

    async fn erase(&self, ids: &[RenderId]) -> Result<u64, PortError> {
        if ids.is_empty() {
            return Ok(0);
        }
        self.within(async {
            let mut lease = self.lease().await?;
            let erased = sqlx::query!(
                "DELETE FROM renders WHERE id = ANY($1) AND ended_at IS NOT NULL
                    AND owed = '[]' AND open_attempts = '{}'",
                &texts(ids)
            );
            let erased = erased.execute(&mut *lease).await?;
            lease.end();
            Ok(erased.rows_affected())
        })
        .await
    }
}

/// Renders that went the same way, as they are read.
struct Tally {
    assigned: String,
    served: String,
    lane: String,
    renders: i64,
    succeeded: i64,
    failed: i64,
}

/// The caller holds the user's lock.
async fn insert(
    connection: &mut PgConnection,
    render: Render,
    limit: HourlyLimit,
) -> Result<Inserted, Failure> {
    let row = Render { version: 1, ..render };
    let (user, key) = (row.user_id.as_str(), row.idempotency_key.as_str());
    let met = sqlx::query!(
        r#"WITH
        existing AS (SELECT id FROM renders WHERE user_id = $2 AND idempotency_key = $3),
        -- The oldest of the last so many; one more fits once it is an hour old.
        oldest AS (
            SELECT accepted_at FROM renders WHERE user_id = $2
            ORDER BY id DESC OFFSET greatest($4::bigint - 1, 0) LIMIT 1
        ),
        within_limit AS (
            SELECT WHERE $4 > 0 AND NOT EXISTS (SELECT FROM oldest WHERE accepted_at > $5)
        ),
        inserted AS (
            INSERT INTO renders (id, version, user_id, idempotency_key, fingerprint, request,
                bucket, assigned, accepted_at, deadline_at, give_up_at, served, lane, entry, status,
                step, n, run_until, to_join, google_failed, course, interim, granted, rescue, grounds, open_attempts,
                owed, due_at, costs, picture, fidelity, size, failure_code, ended_at)
            SELECT id, version, user_id, idempotency_key, fingerprint, request,
                bucket, assigned, accepted_at, deadline_at, give_up_at, served, lane, entry, status,
                step, n, run_until, to_join, google_failed, course, interim, granted, rescue, grounds, open_attempts,
                owed, due_at, costs, picture, fidelity, size, failure_code, ended_at
            FROM jsonb_populate_record(NULL::renders, $1)
            WHERE NOT EXISTS (SELECT FROM existing) AND EXISTS (SELECT FROM within_limit)
            RETURNING id
        )
        SELECT EXISTS (SELECT FROM existing) AS "existing!",
            EXISTS (SELECT FROM inserted) AS "inserted!",
            (SELECT accepted_at FROM oldest) AS oldest"#,
        Json(Columns::from(&row)) as _,
        user,
        key,
        i64::from(limit.most),
        limit.since,
    )
    .fetch_one(&mut *connection)
    .await?;
    if met.inserted {
        return Ok(Inserted::New);
    }
    if met.existing
        && let Some(existing) = by_key(connection, &row.user_id, key).await?
    {
        return Ok(Inserted::Existing(Box::new(existing)));
    }
    let hour = TimeDelta::hours(1);
    let oldest = met.oldest.filter(|_| limit.most > 0);
    // Where nothing is allowed, nothing grows old: try again in an hour.
    Ok(Inserted::Limited { again_at: oldest.unwrap_or(limit.since + hour) + hour })
}

async fn by_key(
    connection: &mut PgConnection,
    user: &UserId,
    key: &str,
) -> Result<Option<Render>, Failure> {
    let row = select!("WHERE user_id = $1 AND idempotency_key = $2", user.as_str(), key);
    let row = row.fetch_optional(connection).await?;
    Ok(row.map(Render::try_from).transpose()?)
}

/// The rows that exist and make sense, locked until the transaction ends; in the order of their ids,
/// as every writer locks them.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    ids: &[RenderId],
) -> Result<Vec<Render>, Failure> {
    let rows = select!("WHERE id = ANY($1) ORDER BY id FOR UPDATE", &texts(ids));
    Ok(legible(rows.fetch_all(connection).await?))
}

/// Replaces the rows that still have their version, in one statement; the ids of those. What the
/// customer asked for stays as it was inserted.
async fn update(
    connection: &mut PgConnection,
    renders: &[Render],
) -> Result<BTreeSet<String>, Failure> {
    let rows: Vec<_> = renders.iter().map(Columns::from).collect();
    let written = sqlx::query_scalar!(
        "WITH
        given AS MATERIALIZED (SELECT * FROM jsonb_populate_recordset(NULL::renders, $1)),
        locked AS (
            SELECT r.id FROM renders r JOIN given USING (id, version) ORDER BY r.id FOR UPDATE OF r
        )
        UPDATE renders r SET version = r.version + 1,
            served = g.served, lane = g.lane, entry = g.entry, status = g.status, step = g.step,
            n = g.n, run_until = g.run_until, to_join = g.to_join, google_failed = g.google_failed,
            course = g.course,
            interim = g.interim, granted = g.granted, rescue = g.rescue,
            open_attempts = g.open_attempts, owed = g.owed, due_at = g.due_at, costs = g.costs, picture = g.picture,
            fidelity = g.fidelity, size = g.size, failure_code = g.failure_code,
            ended_at = g.ended_at
        FROM given g JOIN locked USING (id)
        WHERE r.id = g.id AND r.version = g.version
        RETURNING r.id",
        Json(rows) as _,
    )
    .fetch_all(connection)
    .await?;
    Ok(written.into_iter().collect())
}

fn whole(rows: Vec<RenderRow>) -> Result<Vec<Render>, Failure> {
    Ok(rows.into_iter().map(Render::try_from).collect::<Result<_, _>>()?)
}

fn texts(ids: &[RenderId]) -> Vec<String> {
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}
