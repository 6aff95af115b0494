//! Ratings, and the audit of what ops and the rollout did.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::types::Json;
use tryon_core::{
    audit::AuditEntry,
    ids::{AuditId, RenderId},
    ports::{Audit, PortError, Ratings},
    rating::Rating,
};

use crate::{
    Database,
    columns::{Raw, RowOf, legible, stored_count, stored_time},
    errors::Inconsistency,
};

#[async_trait]
impl Ratings for Database {
    async fn rate(
        &self,
        render: &RenderId,
        rating: Rating,
        now: DateTime<Utc>,
    ) -> Result<Option<Rating>, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            // The update changes nothing; it makes the row that is there come back.
            let kept = sqlx::query_scalar!(
                "INSERT INTO ratings (render_id, user_id, rating, at)
                SELECT id, user_id, $2, $3 FROM renders WHERE id = $1
                ON CONFLICT (render_id) DO UPDATE SET rating = ratings.rating
                RETURNING rating",
                render.as_str(),
                i16::from(rating.get()),
                stored_time(now),
            );
            let kept = kept.fetch_optional(&mut *lease).await?;
            lease.end();
            let of = RowOf { table: "ratings", id: render.as_str() };
            let rating = |number| {
                let number = u8::try_from(number).ok();
                number.and_then(|n| Rating::try_from(n).ok()).ok_or_else(|| of.wrong("rating"))
            };
            Ok(kept.map(rating).transpose()?)
        })
        .await
    }
}

struct AuditRow {
    id: String,
    at: DateTime<Utc>,
    actor: String,
    act: Raw,
    reason: String,
    evidence: Raw,
}

impl TryFrom<AuditRow> for AuditEntry {
    type Error = Inconsistency;

    fn try_from(row: AuditRow) -> Result<Self, Inconsistency> {
        let of = RowOf { table: "ops_audit", id: &row.id };
        Ok(Self {
            act: of.json("act", &row.act)?,
            evidence: of.json("evidence", &row.evidence)?,
            id: AuditId::new(row.id.as_str()),
            at: row.at,
            actor: row.actor,
            reason: row.reason,
        })
    }
}

#[async_trait]
impl Audit for Database {
    async fn record(&self, entry: &AuditEntry) -> Result<bool, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            let written = sqlx::query!(
                "INSERT INTO ops_audit (id, at, actor, act, reason, evidence)
                VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
                entry.id.as_str(),
                stored_time(entry.at),
                entry.actor,
                Json(&entry.act) as _,
                entry.reason,
                entry.evidence,
            );
            let written = written.execute(&mut *lease).await?;
            lease.end();
            Ok(written.rows_affected() == 1)
        })
        .await
    }

    async fn recent(
        &self,
        since: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<AuditEntry>, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            let rows = sqlx::query_as!(
                AuditRow,
                r#"SELECT id, at, actor, act AS "act: Raw", reason, evidence AS "evidence: Raw"
                FROM ops_audit WHERE at >= $1 ORDER BY at DESC, id DESC LIMIT $2"#,
                since,
                stored_count(most)
            );
            let rows = rows.fetch_all(&mut *lease).await?;
            lease.end();
            Ok(legible(rows))
        })
        .await
    }

    async fn acts(
        &self,
        kinds: &[&str],
        since: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<AuditEntry>, PortError> {
        self.within(async {
            let mut lease = self.lease().await?;
            let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
            let rows = sqlx::query_as!(
                AuditRow,
                r#"SELECT id, at, actor, act AS "act: Raw", reason, evidence AS "evidence: Raw"
                FROM ops_audit WHERE at >= $1 AND act ->> 'kind' = ANY($2)
                ORDER BY at DESC, id DESC LIMIT $3"#,
                since,
                &kinds,
                stored_count(most)
            );
            let rows = rows.fetch_all(&mut *lease).await?;
            lease.end();
            Ok(legible(rows))
        })
        .await
    }
}
