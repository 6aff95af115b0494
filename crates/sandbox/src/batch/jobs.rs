use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    files::File,
    job::{End, Job, JobRow, Plan},
};
use crate::{
    Charge, JobTime,
    app::App,
    auth::Product,
    faults::{Call, CallKind, Fault},
    generate::Draft,
    lots,
    models::Model,
    rpc::ApiError,
    shelf::lock,
};

/// Jobs that may be open at once.
const MAX_OPEN: usize = 100;
/// Job times in seconds by quantile; between them they grow geometrically.
const LONG_TAIL: [(f64, f64); 7] = [
    (0.0, 90.0),
    (0.5, 180.0),
    (0.8, 600.0),
    (0.95, 3_600.0),
    (0.99, 14_400.0),
    (0.998, 86_400.0),
    (1.0, 100_000.0),
];

/// What a list shows.
pub(super) struct Listing {
    /// Nothing that was created later.
    pub(super) until: DateTime<Utc>,
    /// So many jobs of others beside each one, with names like its own.
    pub(super) look_alikes: usize,
}

/// All jobs, the oldest first. Jobs are never forgotten, since the bill follows from them; what is
/// kept of a row is small.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    state: Mutex<Vec<Job>>,
}

impl Jobs {
    /// Creates a job and returns its operation.
    pub(super) fn create(
        &self,
        app: &App,
        model: &Model,
        display_name: &str,
        file: &Arc<File>,
        fault: Option<&Fault>,
    ) -> Result<Value, ApiError> {
        let now = app.now();
        let mut jobs = lock(&self.state);
        if jobs.iter().filter(|job| !job.is_ended(now)).count() >= MAX_OPEN {
            let error = ApiError::new(429, "Too many batch jobs are open at once.");
            return Err(error.retry_after(60));
        }
        let seed = app.config.seed;
        let number = (jobs.len() as u64).to_le_bytes();
        let job = Job {
            id: lots::name(seed, "batch", &[&number, display_name.as_bytes()].concat(), 36),
            model: model.id.clone(),
            display_name: display_name.to_owned(),
            file: file.name.clone(),
            created: now,
            plan: plan(seed, app.config.job_time, display_name, fault, now),
            cancelled: None,
            midway: match fault {
                Some(Fault::CancelMidway { rows, results }) => (*rows, *results),
                _ => (0, false),
            },
            reversed: fault == Some(&Fault::ReorderRows),
            rows: rows(app, model, display_name, file),
            deleted: false,
        };
        let operation = job.operation(now, true);
        jobs.push(job);
        Ok(operation)
    }

    /// Does something with the job of this id.
    pub(super) fn with<T>(
        &self,
        id: &str,
        f: impl FnOnce(&mut Job) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut jobs = lock(&self.state);
        let job = jobs.iter_mut().find(|job| job.id == id && !job.deleted);
        f(job.ok_or_else(|| ApiError::not_found(&format!("batches/{id}")))?)
    }

    /// At most `size` operations before place `before`, the newest first, and the place to go on
    /// before. A job has a place, and each of its look-alikes after it.
    pub(super) fn page(
        &self,
        before: Option<usize>,
        size: usize,
        now: DateTime<Utc>,
        listing: &Listing,
    ) -> (Vec<Value>, Option<usize>) {
        let jobs = lock(&self.state);
        let alike = |job| (0..=listing.look_alikes).map(move |n| (job, n));
        let places: Vec<(&Job, usize)> = jobs.iter().flat_map(alike).collect();
        let places = places.iter().enumerate().take(before.unwrap_or(usize::MAX)).rev();
        let is_shown = |job: &Job| !job.deleted && job.created <= listing.until;
        let mut shown = places.filter(|(_, (job, _))| is_shown(job)).peekable();
        let (mut page, mut last) = (Vec::new(), 0);
        while let Some((place, (job, n))) = shown.next_if(|_| page.len() < size) {
            page.push(match n {
                0 => job.operation(now, false),
                n => job.look_alike(*n, now),
            });
            last = place;
        }
        (page, shown.peek().map(|_| last))
    }

    pub(super) fn finished_files(&self, now: DateTime<Utc>) -> BTreeSet<String> {
        let jobs = lock(&self.state);
        jobs.iter().filter(|job| job.is_ended(now)).map(|job| job.file.clone()).collect()
    }

    pub(crate) fn charges(&self, seed: u64, now: DateTime<Utc>) -> Vec<Charge> {
        lock(&self.state).iter().flat_map(|job| job.charges(seed, now)).collect()
    }
}

/// Every row meets its model and the fault script here, once.
fn rows(app: &App, model: &Model, display_name: &str, file: &File) -> Vec<JobRow> {
    let row = |row: &super::rows::Row| {
        let work = row.draft.as_ref().map_err(Clone::clone);
        let work = work.and_then(|draft| draft.order(model, Product::Developer, row.about));
        let call = Call {
            key: row.key.as_deref(),
            prompt: row.draft.as_ref().ok().map(Draft::prompt),
            display_name: Some(display_name),
            ..Call::new(CallKind::Row, &row.about)
        };
        let fault = app.faults.strike(&call, app.now()).fault;
        JobRow { key: row.key.clone(), work: work.map(Arc::new), fault, answered: false }
    };
    file.rows.iter().map(row).collect()
}

fn plan(
    seed: u64,
    time: JobTime,
    display_name: &str,
    fault: Option<&Fault>,
    now: DateTime<Utc>,
) -> Plan {
    let about = display_name.as_bytes();
    let whole = match time {
        JobTime::LongTail => long_tail(lots::unit(seed, "job time", about)),
        JobTime::Fixed(duration) => duration,
    };
    let wait = whole.mul_f64(0.2 + 0.3 * lots::unit(seed, "job wait", about));
    let run = whole.saturating_sub(wait);
    let starting = |wait: Duration| Some((now + wait, now + wait + run));
    match fault {
        Some(Fault::StickPending { seconds }) => Plan {
            runs: seconds.and_then(|seconds| starting(Duration::from_secs(seconds))),
            end: End::Succeeded,
        },
        Some(Fault::FailJob { code }) => Plan { runs: starting(wait), end: End::Failed(*code) },
        Some(Fault::ExpireJob) => Plan { runs: starting(wait), end: End::Expired },
        _ => Plan { runs: starting(wait), end: End::Succeeded },
    }
}

fn long_tail(u: f64) -> Duration {
    let (mut from, mut least) = LONG_TAIL[0];
    for (to, most) in LONG_TAIL {
        if u < to {
            let seconds = least * (most / least).powf((u - from) / (to - from));
            return Duration::from_secs_f64(seconds);
        }
        (from, least) = (to, most);
    }
    Duration::from_secs_f64(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_jobs_are_quick_and_some_are_not() {
        let times: Vec<u64> = (0..10_000_u32)
            .map(|i| long_tail(lots::unit(5, "job time", &i.to_le_bytes())).as_secs())
            .collect();
        let share = |most: u64| times.iter().filter(|t| **t <= most).count();
        assert!(times.iter().all(|t| (90..=100_000).contains(t)));
        assert!((7_800..8_200).contains(&share(600)), "{}", share(600));
        assert!((9_400..9_600).contains(&share(3_600)), "{}", share(3_600));
        assert!(share(86_399) < 10_000);
    }
}
