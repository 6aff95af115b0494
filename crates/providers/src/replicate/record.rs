//! A prediction as the API shows it. Only `id` and `status` are counted on; the rest may be missing,
//! or of another type than ever before.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::Uri;
use serde_json::Value;
use tryon_core::{
    ids::{AttemptId, JobName},
    ports::{Prediction, PredictionPhase},
};

use super::failure;
use crate::url::is_id;

/// Outputs are deleted an hour after the end; a little less, for clocks that differ.
const KEPT: TimeDelta = TimeDelta::minutes(55);
/// The parameter of an input's address that carries the attempt's id.
const ATTEMPT: &str = "x-attempt";

/// Read as free JSON first: a field may come twice, which a struct would refuse.
#[derive(Debug)]
pub(super) struct Record(Value);

impl Record {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().map(Self)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    pub(super) fn job(&self) -> Option<JobName> {
        self.text("id").filter(|id| is_id(id)).map(JobName::from)
    }

    pub(super) fn created(&self) -> Option<DateTime<Utc>> {
        self.text("created_at")?.parse().ok()
    }

    fn ended(&self) -> Option<DateTime<Utc>> {
        self.text("completed_at")?.parse().ok()
    }

    fn took(&self) -> Option<Duration> {
        (self.ended()? - self.created()?).to_std().ok()
    }

    /// The code of its failure, for logs: its text may quote a customer.
    pub(super) fn code(&self) -> Option<&str> {
        failure::code(self.text("error")?)
    }

    /// What became of it; none where it says nothing of that.
    pub(super) fn prediction(&self, now: DateTime<Utc>) -> Option<Prediction> {
        let phase = match self.text("status")? {
            "starting" => PredictionPhase::Starting,
            "processing" => PredictionPhase::Running,
            "succeeded" if self.is_gone(now) => PredictionPhase::Gone,
            "succeeded" => PredictionPhase::Succeeded { pictures: self.pictures() },
            "failed" => failure::phase(self.text("error")),
            "canceled" => PredictionPhase::Cancelled,
            "aborted" => PredictionPhase::Aborted,
            _ => PredictionPhase::Unrecognised,
        };
        let (run, took, ended) = (self.run(), self.took(), self.ended());
        Some(Prediction { phase, run, took, ended, allowance: None })
    }

    fn run(&self) -> Option<Duration> {
        let seconds = self.0.get("metrics")?.get("predict_time")?.as_f64()?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    fn is_gone(&self, now: DateTime<Utc>) -> bool {
        let removed = self.0.get("data_removed").and_then(Value::as_bool).unwrap_or_default();
        // Where it is not said when it ended: none of ours lasts as long as outputs are kept.
        let ended = || self.ended().or_else(|| self.created());
        let old = || ended().is_some_and(|ended| now - ended > KEPT);
        removed || self.0.get("output").is_none_or(Value::is_null) && old()
    }

    /// One address, or a list with gaps.
    fn pictures(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match self.0.get("output") {
            Some(Value::Array(values)) => values.iter().filter_map(text).collect(),
            Some(value) => text(value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Whether an address in its input carries exactly this attempt's id.
    fn bears(&self, attempt: &AttemptId) -> bool {
        self.0.get("input").is_some_and(|input| bears(input, attempt))
    }
}

fn bears(value: &Value, attempt: &AttemptId) -> bool {
    match value {
        Value::String(text) => is_marked(text, attempt),
        Value::Array(values) => values.iter().any(|value| bears(value, attempt)),
        Value::Object(fields) => fields.values().any(|value| bears(value, attempt)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Customers' words that quote an address are none: they stand in a sentence.
fn is_marked(text: &str, attempt: &AttemptId) -> bool {
    let Ok(address) = text.parse::<Uri>() else { return false };
    let query = address.query().unwrap_or_default();
    let mut fields = form_urlencoded::parse(query.as_bytes());
    address.host().is_some()
        && fields.any(|(name, value)| name == ATTEMPT && value == attempt.as_str())
}

/// A page of predictions, newest first.
#[derive(Debug)]
pub(super) struct Page {
    records: Vec<Record>,
    next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) job: JobName,
    created: Option<DateTime<Utc>>,
}

impl Page {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut page: Value = serde_json::from_slice(body).ok()?;
        let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        let Value::Array(results) = page.get_mut("results")?.take() else { return None };
        Some(Self { records: results.into_iter().map(Record).collect(), next })
    }

    /// Where the next page is, below `list`; some answers name it without the `s` of `https`.
    pub(super) fn next(&self, list: &str) -> Option<String> {
        let next: Uri = self.next.as_deref()?.parse().ok()?;
        let list: Uri = list.parse().ok()?;
        let ours =
            next.host() == list.host() && next.port().is_none() && next.path() == list.path();
        let query = next.query().filter(|_| ours)?;
        Some(format!("https://{}{}?{query}", list.host()?, list.path()))
    }

    /// Whether the list goes on before `since` only.
    pub(super) fn reaches(&self, since: DateTime<Utc>) -> bool {
        self.records.iter().any(|record| record.created().is_some_and(|created| created < since))
    }

    /// The oldest of `so_far` and the predictions here that were made for this attempt. Without times
    /// the last one is the oldest.
    pub(super) fn oldest_for(
        &self,
        attempt: &AttemptId,
        since: DateTime<Utc>,
        so_far: Option<Found>,
    ) -> Option<Found> {
        let made = self.records.iter().filter(|record| record.bears(attempt));
        let found = made.filter_map(|record| {
            let created = record.created();
            let in_time = created.is_none_or(|created| created >= since);
            record.job().filter(|_| in_time).map(|job| Found { job, created })
        });
        so_far.into_iter().chain(found).reduce(|oldest, next| {
            match (oldest.created, next.created) {
                (Some(first), Some(second)) if first < second => oldest,
                _ => next,
            }
        })
    }
}

#[cfg(test)]
mod tests;
