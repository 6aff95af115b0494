use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value::Error},
};
use tryon_core::{
    catalogue::Size,
    chain::{Fidelity, Step},
    ids::{AttemptId, EntryId, RenderId, UserId},
    lane::Lane,
    money::Micros,
    picture::PictureRef,
    render::{Course, FailureCode, Grounds, Interim, Owed, Render, RenderStatus, Rescue},
    request::RenderRequest,
    routing::{Bucket, Route},
};

use crate::{
    columns::{Raw, RowOf, stored_time},
    errors::Inconsistency,
};

/// A row of `renders` as it is read.
pub(crate) struct RenderRow {
    pub(super) id: String,
    pub(super) version: i64,
    pub(super) user_id: String,
    pub(super) idempotency_key: String,
    pub(super) fingerprint: String,
    pub(super) request: Raw,
    pub(super) bucket: i32,
    pub(super) assigned: String,
    pub(super) accepted_at: DateTime<Utc>,
    pub(super) deadline_at: DateTime<Utc>,
    pub(super) give_up_at: DateTime<Utc>,
    pub(super) served: String,
    pub(super) lane: String,
    pub(super) entry: String,
    pub(super) status: String,
    pub(super) step: String,
    pub(super) n: i64,
    pub(super) run_until: DateTime<Utc>,
    pub(super) to_join: bool,
    pub(super) google_failed: bool,
    pub(super) course: Option<Raw>,
    pub(super) interim: Option<Raw>,
    pub(super) granted: Option<String>,
    pub(super) rescue: Option<Raw>,
    pub(super) grounds: Option<Raw>,
    pub(super) open_attempts: Vec<String>,
    pub(super) owed: Raw,
    pub(super) due_at: Option<DateTime<Utc>>,
    pub(super) costs: Raw,
    pub(super) picture: Option<Raw>,
    pub(super) fidelity: Option<String>,
    pub(super) size: Option<String>,
    pub(super) failure_code: Option<String>,
    pub(super) ended_at: Option<DateTime<Utc>>,
}

impl TryFrom<RenderRow> for Render {
    type Error = Inconsistency;

    fn try_from(row: RenderRow) -> Result<Self, Inconsistency> {
        let of = RowOf { table: "renders", id: &row.id };
        let interim = row.interim.as_ref();
        Ok(Self {
            id: RenderId::new(row.id.as_str()),
            version: of.number("version", row.version)?,
            request: of.json("request", &row.request)?,
            bucket: row.bucket(of)?,
            assigned: of.word("assigned", &row.assigned)?,
            served: of.word("served", &row.served)?,
            lane: of.word("lane", &row.lane)?,
            status: row.status(of)?,
            step: of.word("step", &row.step)?,
            n: of.number("n", row.n)?,
            interim: interim.map(|interim| of.json("interim", interim)).transpose()?,
            costs: of.json("costs", &row.costs)?,
            owed: of.json("owed", &row.owed)?,
            user_id: UserId::new(row.user_id),
            idempotency_key: row.idempotency_key,
            fingerprint: row.fingerprint,
            entry: EntryId::new(row.entry),
            accepted_at: row.accepted_at,
            deadline_at: row.deadline_at,
            give_up_at: row.give_up_at,
            run_until: row.run_until,
            to_join: row.to_join,
            open_attempts: row.open_attempts.into_iter().map(AttemptId::new).collect(),
            google_failed: row.google_failed,
            course: row.course.as_ref().map(|course| of.json("course", course)).transpose()?,
            granted: row.granted.map(AttemptId::new),
            rescue: row.rescue.as_ref().map(|rescue| of.json("rescue", rescue)).transpose()?,
            grounds: row.grounds.as_ref().map(|grounds| of.json("grounds", grounds)).transpose()?,
            due_at: row.due_at,
        })
    }
}

impl RenderRow {
    fn bucket(&self, of: RowOf<'_>) -> Result<Bucket, Inconsistency> {
        let bucket: u16 = of.number("bucket", self.bucket.into())?;
        Bucket::deserialize(IntoDeserializer::<Error>::into_deserializer(bucket))
            .ok()
            .filter(|bucket| bucket.get() < 10_000)
            .ok_or_else(|| of.wrong("bucket"))
    }

    fn status(&self, of: RowOf<'_>) -> Result<RenderStatus, Inconsistency> {
        let ended_at = || of.present("ended_at", self.ended_at);
        let status = match self.status.as_str() {
            "accepted" => RenderStatus::Accepted,
            "queued" => RenderStatus::Queued,
            "generating" => RenderStatus::Generating,
            "succeeded" => RenderStatus::Succeeded {
                picture: of.json("picture", of.present("picture", self.picture.as_ref())?)?,
                fidelity: of.word("fidelity", of.present("fidelity", self.fidelity.as_deref())?)?,
                size: of.word("size", of.present("size", self.size.as_deref())?)?,
                at: ended_at()?,
            },
            "failed" => {
                let code = of.present("failure_code", self.failure_code.as_deref())?;
                RenderStatus::Failed { code: of.word("failure_code", code)?, at: ended_at()? }
            }
            _ => return Err(of.newer("status")),
        };
        let succeeded = matches!(status, RenderStatus::Succeeded { .. });
        let failed = matches!(status, RenderStatus::Failed { .. });
        let contradictions = [
            ("ended_at", self.ended_at.is_some() && !succeeded && !failed),
            ("picture", self.picture.is_some() && !succeeded),
            ("failure_code", self.failure_code.is_some() && !failed),
            ("to_join", self.to_join && (succeeded || failed)),
        ];
        match contradictions.into_iter().find(|(_, wrong)| *wrong) {
            Some((column, _)) => Err(of.wrong(column)),
            None => Ok(status),
        }
    }
}

/// A row of `renders` as it is written, as JSON with a field for each column.
#[derive(Serialize)]
pub(crate) struct Columns<'a> {
    id: &'a RenderId,
    version: u64,
    user_id: &'a UserId,
    idempotency_key: &'a str,
    fingerprint: &'a str,
    request: &'a RenderRequest,
    bucket: Bucket,
    assigned: Route,
    accepted_at: DateTime<Utc>,
    deadline_at: DateTime<Utc>,
    give_up_at: DateTime<Utc>,
    served: Route,
    lane: Lane,
    entry: &'a EntryId,
    status: &'static str,
    step: Step,
    n: u32,
    run_until: DateTime<Utc>,
    to_join: bool,
    google_failed: bool,
    course: Option<&'a Course>,
    interim: Option<&'a Interim>,
    granted: Option<&'a AttemptId>,
    rescue: Option<&'a Rescue>,
    grounds: Option<&'a Grounds>,
    open_attempts: &'a BTreeSet<AttemptId>,
    owed: &'a BTreeSet<Owed>,
    due_at: Option<DateTime<Utc>>,
    costs: &'a BTreeMap<AttemptId, Micros>,
    picture: Option<&'a PictureRef>,
    fidelity: Option<Fidelity>,
    size: Option<Size>,
    failure_code: Option<FailureCode>,
    ended_at: Option<DateTime<Utc>>,
}

impl<'a> From<&'a Render> for Columns<'a> {
    fn from(render: &'a Render) -> Self {
        let (picture, fidelity, size) = match &render.status {
            RenderStatus::Succeeded { picture, fidelity, size, .. } => {
                (Some(picture), Some(*fidelity), Some(*size))
            }
            _ => (None, None, None),
        };
        let failure_code = match render.status {
            RenderStatus::Failed { code, .. } => Some(code),
            _ => None,
        };
        Self {
            id: &render.id,
            version: render.version,
            user_id: &render.user_id,
            idempotency_key: &render.idempotency_key,
            fingerprint: &render.fingerprint,
            request: &render.request,
            bucket: render.bucket,
            assigned: render.assigned,
            accepted_at: stored_time(render.accepted_at),
            deadline_at: stored_time(render.deadline_at),
            give_up_at: stored_time(render.give_up_at),
            served: render.served,
            lane: render.lane,
            entry: &render.entry,
            status: render.status.as_str(),
            step: render.step,
            n: render.n,
            run_until: stored_time(render.run_until),
            to_join: render.to_join,
            google_failed: render.google_failed,
            course: render.course.as_ref(),
            interim: render.interim.as_ref(),
            granted: render.granted.as_ref(),
            rescue: render.rescue.as_ref(),
            grounds: render.grounds.as_ref(),
            open_attempts: &render.open_attempts,
            owed: &render.owed,
            due_at: render.due_at.map(stored_time),
            costs: &render.costs,
            picture,
            fidelity,
            size,
            failure_code,
            ended_at: render.status.ended_at().map(stored_time),
        }
    }
}

/// What [`Render::joined`] changes in a row.
#[derive(Serialize)]
pub(crate) struct Joined<'a> {
    id: &'a RenderId,
    status: &'static str,
    to_join: bool,
    open_attempts: &'a BTreeSet<AttemptId>,
    owed: &'a BTreeSet<Owed>,
    due_at: Option<DateTime<Utc>>,
    course: Option<&'a Course>,
}

impl<'a> From<&'a Render> for Joined<'a> {
    fn from(render: &'a Render) -> Self {
        Self {
            id: &render.id,
            status: render.status.as_str(),
            to_join: render.to_join,
            open_attempts: &render.open_attempts,
            owed: &render.owed,
            due_at: render.due_at.map(stored_time),
            course: render.course.as_ref(),
        }
    }
}
