//! Batch rows, and the renders that join them.

mod append;
mod row;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use tryon_core::{
    batch::{Batch, BatchPolicy},
    catalogue::BatchKey,
    ids::{BatchId, RenderId},
    messages::RenderOrder,
    ports::{Batches, PortError, Random},
    render::Render,
};

use self::{
    append::Arrival,
    row::{BatchRow, Columns, tracking},
};
use crate::{
    Database,
    columns::{Raw, as_text, legible, stored_count, stored_time},
    errors::Failure,
    renders::Joined,
};

/// `SELECT` of whole rows; what follows the table's name is given.
macro_rules! select {
    ($tail:tt $(, $arg:expr)*) => {
        sqlx::query_as!(
            BatchRow,
            r#"SELECT batch_id, version, backend, model, status, job_name, opened_at, seal_at,
                sealed_at, seal_reason, submitted_at, processing_at, ended_at,
                tracking AS "tracking: Raw", image_count, input_bytes, retries, owes_send, due_at
            FROM gemini_batch_jobs "# + $tail
            $(, $arg)*
        )
    };
}

#[async_trait]
impl Batches for Database {
    async fn append(
        &self,
        key: &BatchKey,
        orders: Vec<RenderOrder>,
        now: DateTime<Utc>,
        policy: &BatchPolicy,
        random: &dyn Random,
    ) -> Result<Vec<Batch>, PortError> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let arrival = Arrival { key, orders, now: stored_time(now), policy, random };
        self.within(arrival.join(self)).await
    }

    async fn get(&self, id: &BatchId) -> Result<Option<Batch>, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            let row = select!("WHERE batch_id = $1", id.as_str());
            let row = row.fetch_optional(&mut *lease).await?;
            lease.end();
            Ok(row.map(Batch::try_from).transpose()?)
        })
        .await
    }

    async fn open(&self) -> Result<u64, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            let open = sqlx::query_scalar!(
                r#"SELECT count(*) AS "open!" FROM gemini_batch_jobs WHERE status = 'open'"#
            );
            let open = open.fetch_one(&mut *lease).await?;
            lease.end();
            Ok(u64::try_from(open).unwrap_or_default())
        })
        .await
    }

    async fn jobs(&self) -> Result<u64, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            let jobs = sqlx::query_scalar!(
                r#"SELECT count(*) AS "jobs!" FROM gemini_batch_jobs
                WHERE status IN ('submitted', 'processing')"#
            );
            let jobs = jobs.fetch_one(&mut *lease).await?;
            lease.end();
            Ok(u64::try_from(jobs).unwrap_or_default())
        })
        .await
    }

    async fn under_way(&self, most: usize) -> Result<Vec<Batch>, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            let rows = select!(
                "WHERE status IN ('open', 'sealed', 'submitted', 'processing')
                ORDER BY batch_id LIMIT $1",
                stored_count(most)
            );
            let rows = rows.fetch_all(&mut *lease).await?;
            lease.end();
            Ok(legible(rows))
        })
        .await
    }

    async fn of_render(
        &self,
        render: &RenderId,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<Batch>, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            // Ids begin with the time of opening, so that the key finds what lies between the two.
            let (first, beyond) =
                (BatchId::earliest(from), BatchId::earliest(to + TimeDelta::milliseconds(1)));
            let rows = select!(
                "WHERE batch_id >= $1 AND batch_id < $2 AND strpos(tracking::text, $3) > 0
                ORDER BY batch_id",
                first.as_str(),
                beyond.as_str(),
                render.as_str()
            );
            let rows = rows.fetch_all(&mut *lease).await?;
            lease.end();
            Ok(legible(rows))
        })
        .await
    }

    async fn update(&self, batch: &Batch) -> Result<bool, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            // The times of states that have passed stay, and so does the job's name.
            let written = sqlx::query!(
                "UPDATE gemini_batch_jobs b SET version = b.version + 1, status = g.status,
                    job_name = coalesce(g.job_name, b.job_name), opened_at = g.opened_at,
                    seal_at = g.seal_at, sealed_at = g.sealed_at, seal_reason = g.seal_reason,
                    submitted_at = coalesce(g.submitted_at, b.submitted_at),
                    processing_at = coalesce(g.processing_at, b.processing_at),
                    ended_at = g.ended_at, tracking = $2::text::json, image_count = g.image_count,
                    input_bytes = g.input_bytes, cost_micros = g.cost_micros, error = g.error,
                    retries = g.retries, owes_send = g.owes_send, due_at = g.due_at
                FROM json_populate_record(NULL::gemini_batch_jobs, $1::text::json) g
                WHERE b.batch_id = g.batch_id AND b.version = g.version",
                as_text(&Columns::from(batch))?,
                tracking(batch)?,
            );
            let written = written.execute(&mut *lease).await?;
            lease.end();
            Ok(written.rows_affected() == 1)
        })
        .await
    }

    async fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Batch>, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            let rows = select!(
                "WHERE due_at <= $1 ORDER BY due_at, batch_id LIMIT $2",
                now,
                stored_count(most)
            );
            let rows = rows.fetch_all(&mut *lease).await?;
            lease.end();
            Ok(legible(rows))
        })
        .await
    }
}

/// The open batch of a key, locked until the transaction ends.
async fn lock_open(
    connection: &mut PgConnection,
    key: &BatchKey,
) -> Result<Option<Batch>, Failure> {
    let row = select!(
        "WHERE backend = $1 AND model = $2 AND status = 'open' FOR UPDATE",
        key.backend.to_string(),
        key.model
    );
    let row = row.fetch_optional(connection).await?;
    Ok(row.map(Batch::try_from).transpose()?)
}

/// Writes batches that were just locked, or are new, in the order given: one closes before the next
/// one opens. With them the renders that joined, which are locked; one round trip for both, for it is
/// made while others wait.
async fn put(
    connection: &mut PgConnection,
    batches: &[Batch],
    joined: &[Render],
) -> Result<(), Failure> {
    let ids: Vec<_> = batches.iter().map(|batch| batch.id.to_string()).collect();
    let trackings: Vec<_> = batches.iter().map(tracking).collect::<Result<_, _>>()?;
    let batches: Vec<_> = batches.iter().map(Columns::from).collect();
    let joined: Vec<_> = joined.iter().map(Joined::from).collect();
    sqlx::query!(
        "WITH batches AS (
            INSERT INTO gemini_batch_jobs (batch_id, version, backend, model, status, opened_at,
                seal_at, sealed_at, seal_reason, tracking, image_count, input_bytes, cost_micros,
                retries, owes_send, due_at)
            SELECT batch_id, version, backend, model, status, opened_at,
                seal_at, sealed_at, seal_reason, t.tracking::json, image_count, input_bytes,
                cost_micros, retries, owes_send, due_at
            FROM json_populate_recordset(NULL::gemini_batch_jobs, $1::text::json) g
                JOIN unnest($2::text[], $3::text[]) WITH ORDINALITY t(batch_id, tracking, place)
                USING (batch_id)
            ORDER BY place
            ON CONFLICT (batch_id) DO UPDATE SET version = EXCLUDED.version,
                status = EXCLUDED.status, sealed_at = EXCLUDED.sealed_at,
                seal_reason = EXCLUDED.seal_reason, tracking = EXCLUDED.tracking,
                image_count = EXCLUDED.image_count, input_bytes = EXCLUDED.input_bytes,
                owes_send = EXCLUDED.owes_send, due_at = EXCLUDED.due_at
        )
        UPDATE renders r SET version = r.version + 1, status = g.status, to_join = g.to_join,
            open_attempts = g.open_attempts, owed = g.owed, due_at = g.due_at, course = g.course
        FROM json_to_recordset($4::text::json) AS g(id text, status text, to_join boolean,
            open_attempts text[], owed jsonb, due_at timestamptz, course jsonb)
        WHERE r.id = g.id",
        as_text(&batches)?,
        &ids,
        &trackings,
        as_text(&joined)?,
    )
    .execute(connection)
    .await?;
    Ok(())
}
