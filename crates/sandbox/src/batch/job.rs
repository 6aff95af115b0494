//! One job: what it is at any moment follows from its times.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use tryon_core::lane::Lane;

use crate::{
    Charge, Provider,
    faults::Fault,
    generate::{Order, Outcome},
    models::nanos,
    rpc::ApiError,
};

/// A job that has not ended by then expires.
const EXPIRY: TimeDelta = TimeDelta::hours(48);
/// A cancellation takes effect after so long; a job that ends before then ends as if nobody had
/// asked.
const CANCEL_DELAY: TimeDelta = TimeDelta::seconds(5);

#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) display_name: String,
    /// `files/ID`
    pub(super) file: String,
    pub(super) created: DateTime<Utc>,
    pub(super) plan: Plan,
    pub(super) cancelled: Option<DateTime<Utc>>,
    /// How many rows are done where it is cancelled, and whether they can be fetched.
    pub(super) midway: (usize, bool),
    pub(super) reversed: bool,
    pub(super) rows: Vec<JobRow>,
    /// Deleted jobs are no longer shown; they still cost what they cost.
    pub(super) deleted: bool,
}

/// What a job does, if left alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// When it starts to run and when it ends; absent: never.
    pub(super) runs: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub(super) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Succeeded,
    /// With this RPC number.
    Failed(i32),
    Cancelled,
    Expired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Pending,
    Running { since: DateTime<Utc> },
    Ended { how: End, at: DateTime<Utc> },
}

#[derive(Debug)]
pub(super) struct JobRow {
    pub(super) key: Option<String>,
    pub(super) work: Result<Arc<Order>, ApiError>,
    pub(super) fault: Option<Fault>,
    /// Whether it was sent to anybody.
    pub(super) answered: bool,
}

impl Job {
    pub(super) fn phase(&self, now: DateTime<Utc>) -> Phase {
        let expiry = self.created + EXPIRY;
        let planned = self.plan.runs.map(|(_, ends)| (self.plan.end, ends));
        let planned = planned.filter(|(_, at)| *at < expiry).unwrap_or((End::Expired, expiry));
        let cancel = self.cancelled.map(|asked| (End::Cancelled, asked + CANCEL_DELAY));
        let (how, at) = cancel.filter(|(_, at)| *at < planned.1).unwrap_or(planned);
        if now >= at {
            return Phase::Ended { how, at };
        }
        match self.plan.runs {
            Some((since, _)) if now >= since => Phase::Running { since },
            _ => Phase::Pending,
        }
    }

    pub(super) fn is_ended(&self, now: DateTime<Utc>) -> bool {
        matches!(self.phase(now), Phase::Ended { .. })
    }

    pub(super) fn has_results(&self, now: DateTime<Utc>) -> bool {
        match self.phase(now) {
            Phase::Ended { how: End::Succeeded, .. } => true,
            Phase::Ended { how: End::Cancelled, .. } => self.midway.1,
            _ => false,
        }
    }

    /// The rows that were carried out, once it has ended.
    pub(super) fn done(&self, now: DateTime<Utc>) -> &[JobRow] {
        match self.phase(now) {
            Phase::Ended { how: End::Succeeded, .. } => &self.rows,
            Phase::Ended { how: End::Cancelled, .. } => {
                &self.rows[..self.midway.0.min(self.rows.len())]
            }
            _ => &[],
        }
    }

    /// The operation as Google shows it. Listings leave the results out.
    pub(super) fn operation(&self, now: DateTime<Utc>, with_results: bool) -> Value {
        const TYPE: &str = "type.googleapis.com/google.ai.generativelanguage.v1main.";
        let name = format!("batches/{}", self.id);
        let mut metadata = json!({
            "@type": format!("{TYPE}GenerateContentBatch"),
            "model": format!("models/{}", self.model),
            "displayName": self.display_name,
            "name": name,
            "inputConfig": {"fileName": self.file},
            "createTime": time(self.created),
        });
        let mut operation = Map::from_iter([("name".to_owned(), name.clone().into())]);
        let phase = self.phase(now);
        let (state, counts) = match phase {
            Phase::Pending => ("PENDING", [self.rows.len(), 0, 0]),
            Phase::Running { .. } => ("RUNNING", [self.rows.len(), 0, 0]),
            Phase::Ended { how: End::Succeeded, .. } => {
                let failed = self.rows.iter().filter(|row| row.error().is_some()).count();
                ("SUCCEEDED", [0, self.rows.len() - failed, failed])
            }
            Phase::Ended { how: End::Failed(_), .. } => ("FAILED", [0, 0, self.rows.len()]),
            Phase::Ended { how: End::Cancelled, .. } => {
                let done = self.done(now).len();
                ("CANCELLED", [0, done, self.rows.len() - done])
            }
            Phase::Ended { how: End::Expired, .. } => ("EXPIRED", [0, 0, self.rows.len()]),
        };
        metadata["state"] = format!("BATCH_STATE_{state}").into();
        metadata["batchStats"] = stats(self.rows.len(), counts);
        match phase {
            Phase::Pending => metadata["updateTime"] = time(self.created).into(),
            Phase::Running { since } => metadata["updateTime"] = time(since).into(),
            Phase::Ended { how, at } => {
                metadata["endTime"] = time(at).into();
                operation.insert("done".to_owned(), true.into());
                match how {
                    End::Succeeded if with_results => {
                        let file = format!("files/batch-{}", self.id);
                        metadata["output"] = json!({"responsesFile": file});
                        let kind = format!("{TYPE}GenerateContentBatchOutput");
                        let response = json!({"@type": kind, "responsesFile": file});
                        operation.insert("response".to_owned(), response);
                    }
                    End::Succeeded => {}
                    End::Failed(code) => {
                        drop(operation.insert("error".to_owned(), error(code, "failed")));
                    }
                    End::Cancelled => {
                        if with_results && self.midway.1 {
                            let file = format!("files/batch-{}", self.id);
                            metadata["output"] = json!({"responsesFile": file});
                        }
                        drop(operation.insert("error".to_owned(), error(1, "was cancelled")));
                    }
                    End::Expired => drop(operation.insert("error".to_owned(), error(4, "expired"))),
                }
            }
        }
        operation.insert("metadata".to_owned(), metadata);
        Value::Object(operation)
    }

    /// A newer job of somebody else's, whose name begins or ends like this one's.
    pub(super) fn look_alike(&self, n: usize, now: DateTime<Utc>) -> Value {
        let mut operation = self.operation(now, false);
        let (name, ours) = (format!("batches/{}-{n}", self.id), &self.display_name);
        let theirs = if n.is_multiple_of(2) { format!("{ours}{n}") } else { format!("{n}/{ours}") };
        operation["name"] = name.clone().into();
        operation["metadata"]["name"] = name.into();
        operation["metadata"]["displayName"] = theirs.into();
        operation["metadata"]["createTime"] = time(now).into();
        operation
    }

    /// What the rows cost that were carried out, once the job has ended.
    pub(super) fn charges(&self, seed: u64, now: DateTime<Utc>) -> impl Iterator<Item = Charge> {
        let at = match self.phase(now) {
            Phase::Ended { at, .. } => Some(at),
            _ => None,
        };
        let billed = self.done(now).iter().filter_map(move |row| {
            let order = row.work.as_ref().ok()?;
            let free = matches!(
                row.fault,
                Some(Fault::ErrorRow { .. } | Fault::MissingRow { billed: false })
            );
            let tokens = Outcome::of(order, row.fault.as_ref(), seed).tokens;
            (!free).then(|| (row, nanos(&order.price, Lane::Batch, tokens)))
        });
        at.into_iter().zip(std::iter::once(billed)).flat_map(move |(at, billed)| {
            billed.map(move |(row, nanos)| Charge {
                provider: Provider::Google,
                attempt: self.display_name.clone(),
                key: row.key.clone().unwrap_or_default(),
                model: self.model.clone(),
                lane: Lane::Batch,
                nanos,
                answered: row.answered,
                at,
            })
        })
    }
}

impl JobRow {
    /// The error that stands in the row instead of a response.
    pub(super) fn error(&self) -> Option<Value> {
        match (&self.work, &self.fault) {
            (_, Some(Fault::ErrorRow { code })) => Some(error(*code, "failed")),
            (Err(error), _) => Some(error.row()),
            (Ok(_), _) => None,
        }
    }
}

fn error(code: i32, what: &str) -> Value {
    json!({"code": code, "message": format!("The request {what}.")})
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// Counts are strings, absent when zero.
fn stats(all: usize, [pending, succeeded, failed]: [usize; 3]) -> Value {
    let counts = [
        ("requestCount", all),
        ("pendingRequestCount", pending),
        ("successfulRequestCount", succeeded),
        ("failedRequestCount", failed),
    ];
    let present = counts.into_iter().filter(|(_, count)| *count > 0);
    present.map(|(name, count)| (name.to_owned(), Value::from(count.to_string()))).collect()
}
