use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tryon_core::{
    batch::{Batch, BatchStatus, Seal, SealReason},
    catalogue::{Backend, BatchKey},
    ids::{BatchId, JobName},
    messages::RenderOrder,
    outcome::{FailClass, Outcome, RenderOutcome},
    ports::PortError,
};

use crate::{
    columns::{Raw, RowOf, as_text, stored_count, stored_time},
    errors::Inconsistency,
};

/// A row of `gemini_batch_jobs` as it is read.
pub(crate) struct BatchRow {
    pub(super) batch_id: String,
    pub(super) version: i64,
    pub(super) backend: String,
    pub(super) model: String,
    pub(super) status: String,
    pub(super) job_name: Option<String>,
    pub(super) opened_at: DateTime<Utc>,
    pub(super) seal_at: DateTime<Utc>,
    pub(super) sealed_at: Option<DateTime<Utc>>,
    pub(super) seal_reason: Option<String>,
    pub(super) submitted_at: Option<DateTime<Utc>>,
    pub(super) processing_at: Option<DateTime<Utc>>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) tracking: Raw,
    pub(super) image_count: i32,
    pub(super) input_bytes: i64,
    pub(super) retries: i64,
    pub(super) owes_send: bool,
    pub(super) due_at: Option<DateTime<Utc>>,
}

/// What was asked for, and what came of it.
#[derive(Deserialize)]
struct Tracking {
    orders: Vec<RenderOrder>,
    #[serde(default)]
    outcomes: Vec<RenderOutcome>,
}

impl TryFrom<BatchRow> for Batch {
    type Error = Inconsistency;

    fn try_from(row: BatchRow) -> Result<Self, Inconsistency> {
        let of = RowOf { table: "gemini_batch_jobs", id: &row.batch_id };
        let Tracking { orders, outcomes } = of.json("tracking", &row.tracking)?;
        if usize::try_from(row.image_count) != Ok(orders.len()) {
            return Err(of.wrong("image_count"));
        }
        Ok(Self {
            id: BatchId::new(row.batch_id.as_str()),
            version: of.number("version", row.version)?,
            input_bytes: of.number("input_bytes", row.input_bytes)?,
            sealed: row.seal(of)?,
            status: row.status(of)?,
            retries: of.number("retries", row.retries)?,
            key: BatchKey { backend: of.word("backend", &row.backend)?, model: row.model },
            orders,
            opened_at: row.opened_at,
            seal_at: row.seal_at,
            outcomes,
            owes_send: row.owes_send,
            due_at: row.due_at,
        })
    }
}

impl BatchRow {
    fn seal(&self, of: RowOf<'_>) -> Result<Option<Seal>, Inconsistency> {
        match (self.sealed_at, &self.seal_reason) {
            (Some(at), Some(reason)) if self.status != "open" => {
                Ok(Some(Seal { at, reason: of.word("seal_reason", reason)? }))
            }
            (None, None) if self.status == "open" => Ok(None),
            _ => Err(of.wrong("sealed_at")),
        }
    }

    fn status(&self, of: RowOf<'_>) -> Result<BatchStatus, Inconsistency> {
        let job = || of.present("job_name", self.job_name.as_deref()).map(JobName::from);
        let ended_at = || of.present("ended_at", self.ended_at);
        let status = match self.status.as_str() {
            "open" => BatchStatus::Open,
            "sealed" => BatchStatus::Sealed,
            "submitted" => {
                let at = of.present("submitted_at", self.submitted_at)?;
                BatchStatus::Submitted { job: job()?, at }
            }
            "processing" => {
                let at = of.present("processing_at", self.processing_at)?;
                BatchStatus::Processing { job: job()?, at }
            }
            "completed" => return Ok(BatchStatus::Completed { at: ended_at()? }),
            "failed" => return Ok(BatchStatus::Failed { at: ended_at()? }),
            _ => return Err(of.newer("status")),
        };
        if self.ended_at.is_some() { Err(of.wrong("ended_at")) } else { Ok(status) }
    }
}

/// A row of `gemini_batch_jobs` as it is written, as JSON with a field for each column but `tracking`:
/// that is long, and read once less on its own.
#[derive(Serialize)]
pub(crate) struct Columns<'a> {
    batch_id: &'a BatchId,
    version: u64,
    backend: Backend,
    model: &'a str,
    status: &'static str,
    job_name: Option<&'a JobName>,
    opened_at: DateTime<Utc>,
    seal_at: DateTime<Utc>,
    sealed_at: Option<DateTime<Utc>>,
    seal_reason: Option<SealReason>,
    submitted_at: Option<DateTime<Utc>>,
    processing_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    image_count: usize,
    input_bytes: u64,
    cost_micros: i64,
    error: Option<FailClass>,
    retries: u32,
    owes_send: bool,
    due_at: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct Tracked<'a> {
    orders: &'a [RenderOrder],
    outcomes: &'a [RenderOutcome],
}

/// The column `tracking` of a batch.
pub(super) fn tracking(batch: &Batch) -> Result<String, PortError> {
    as_text(&Tracked { orders: &batch.orders, outcomes: &batch.outcomes })
}

impl<'a> From<&'a Batch> for Columns<'a> {
    fn from(batch: &'a Batch) -> Self {
        let mut columns = Self {
            batch_id: &batch.id,
            version: batch.version,
            backend: batch.key.backend,
            model: &batch.key.model,
            status: "",
            job_name: None,
            opened_at: stored_time(batch.opened_at),
            seal_at: stored_time(batch.seal_at),
            sealed_at: batch.sealed.map(|seal| stored_time(seal.at)),
            seal_reason: batch.sealed.map(|seal| seal.reason),
            submitted_at: None,
            processing_at: None,
            ended_at: None,
            image_count: batch.orders.len(),
            input_bytes: batch.input_bytes,
            cost_micros: stored_count(batch.cost().get()),
            error: None,
            retries: batch.retries,
            owes_send: batch.owes_send,
            due_at: batch.due_at.map(stored_time),
        };
        columns.set_status(batch);
        columns
    }
}

impl<'a> Columns<'a> {
    fn set_status(&mut self, batch: &'a Batch) {
        match &batch.status {
            BatchStatus::Open => self.status = "open",
            BatchStatus::Sealed => self.status = "sealed",
            BatchStatus::Submitted { job, at } => {
                self.status = "submitted";
                (self.job_name, self.submitted_at) = (Some(job), Some(stored_time(*at)));
            }
            BatchStatus::Processing { job, at } => {
                self.status = "processing";
                (self.job_name, self.processing_at) = (Some(job), Some(stored_time(*at)));
            }
            BatchStatus::Completed { at } => {
                self.status = "completed";
                self.ended_at = Some(stored_time(*at));
            }
            BatchStatus::Failed { at } => {
                self.status = "failed";
                self.ended_at = Some(stored_time(*at));
                self.error = batch.outcomes.iter().find_map(failure);
            }
        }
    }
}

fn failure(outcome: &RenderOutcome) -> Option<FailClass> {
    match outcome.outcome {
        Outcome::Failed { class } => Some(class),
        Outcome::Image { .. } | Outcome::Refused => None,
    }
}
