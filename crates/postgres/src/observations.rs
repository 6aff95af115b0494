//! What the gates see of renders and their ratings.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use tryon_core::{
    gates::{Observed, Tally},
    ids::{AttemptId, RenderId, UserId},
    money::Micros,
    ports::{MOST_OBSERVED, Observations, PortError},
    rating::Rating,
};

use crate::{
    Database,
    columns::{Raw, RowOf, legible, stored_count},
    errors::Inconsistency,
};

/// The few columns that are looked at.
struct ObservedRow {
    id: String,
    user_id: String,
    assigned: String,
    quality: Option<String>,
    category: Option<String>,
    accepted_at: DateTime<Utc>,
    deadline_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    failure_code: Option<String>,
    fidelity: Option<String>,
    course: Raw,
    costs: Raw,
    rating: Option<i16>,
}

impl TryFrom<ObservedRow> for Observed {
    type Error = Inconsistency;

    fn try_from(row: ObservedRow) -> Result<Self, Inconsistency> {
        let of = RowOf { table: "renders", id: &row.id };
        let rating = |number: i16| {
            let number = u8::try_from(number).ok();
            number.and_then(|n| Rating::try_from(n).ok()).ok_or_else(|| of.wrong("rating"))
        };
        let costs: BTreeMap<AttemptId, Micros> = of.json("costs", &row.costs)?;
        let quality = of.present("request", row.quality.as_deref())?;
        let failure = row.failure_code.as_deref();
        let fidelity = row.fidelity.as_deref();
        Ok(Self {
            id: RenderId::new(row.id.as_str()),
            assigned: of.word("assigned", &row.assigned)?,
            quality: of.word("request", quality)?,
            category: row.category.unwrap_or_default(),
            accepted_at: row.accepted_at,
            deadline_at: row.deadline_at,
            ended_at: row.ended_at,
            failure: failure.map(|code| of.word("failure_code", code)).transpose()?,
            fidelity: fidelity.map(|word| of.word("fidelity", word)).transpose()?,
            cost: costs.into_values().sum(),
            course: of.json("course", &row.course)?,
            rating: row.rating.map(rating).transpose()?,
            user: UserId::new(row.user_id),
        })
    }
}

#[async_trait]
impl Observations for Database {
    async fn observe(&self, since: DateTime<Utc>, mut tally: Tally) -> Result<Tally, PortError> {
        self.within(async move {
            let mut lease = self.lease().await?;
            // Ids begin with the time of acceptance: the primary key is the index.
            let first = RenderId::earliest(since);
            let mut rows = sqlx::query_as!(
                ObservedRow,
                r#"SELECT r.id, r.user_id, r.assigned, r.request ->> 'quality' AS quality,
                    r.request -> 'garments' -> 0 ->> 'category' AS category, r.accepted_at,
                    r.deadline_at, r.ended_at, r.failure_code, r.fidelity, r.course AS "course!: Raw",
                    r.costs AS "costs: Raw", t.rating AS "rating?"
                FROM renders r LEFT JOIN ratings t ON t.render_id = r.id AND t.render_id >= $1
                WHERE r.id >= $1 AND r.accepted_at >= $2 AND r.course IS NOT NULL
                ORDER BY r.id DESC LIMIT $3"#,
                first.as_str(),
                since,
                stored_count(MOST_OBSERVED)
            )
            .fetch(&mut *lease);
            while let Some(row) = rows.try_next().await? {
                for seen in legible::<Observed, _>(vec![row]) {
                    tally.add(&seen);
                }
            }
            drop(rows);
            lease.end();
            Ok(tally)
        })
        .await
    }
}
