//! Jobs as operations, in every spelling that was seen: every field may be missing, null, or odd.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tryon_core::{ids::JobName, outcome::FailClass, ports::JobPhase};

use crate::{
    google::errors::class_of_rpc,
    read::{count, odd_or_none, or_none},
    url::is_resource,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Operation {
    #[serde(deserialize_with = "odd_or_none")]
    name: String,
    #[serde(deserialize_with = "odd_or_none")]
    metadata: Option<Metadata>,
    #[serde(deserialize_with = "odd_or_none")]
    done: bool,
    #[serde(deserialize_with = "error")]
    error: Option<RpcStatus>,
    #[serde(deserialize_with = "odd_or_none")]
    response: Option<Output>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    #[serde(deserialize_with = "odd_or_none")]
    display_name: Option<String>,
    #[serde(deserialize_with = "odd_or_none")]
    create_time: Option<String>,
    #[serde(deserialize_with = "odd_or_none")]
    state: Option<String>,
    #[serde(deserialize_with = "odd_or_none")]
    output: Option<Output>,
    #[serde(deserialize_with = "odd_or_none")]
    batch_stats: Option<Stats>,
}

/// Counts are absent where they are zero.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Stats {
    #[serde(deserialize_with = "count")]
    successful_request_count: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Output {
    #[serde(deserialize_with = "odd_or_none")]
    responses_file: Option<String>,
}

/// `google.rpc.Status`; its message is Google's prose and not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RpcStatus {
    #[serde(deserialize_with = "count")]
    code: u64,
}

/// What is there is an error, in whatever shape.
fn error<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RpcStatus>, D::Error> {
    let status = Option::<Value>::deserialize(deserializer)?;
    Ok(status.map(|status| RpcStatus::deserialize(status).unwrap_or_default()))
}

impl RpcStatus {
    pub(super) fn class(&self) -> FailClass {
        class_of_rpc(self.code)
    }
}

impl Operation {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    pub(super) fn job(&self) -> Option<JobName> {
        is_resource(&self.name, "batches").then(|| JobName::from(self.name.as_str()))
    }

    pub(super) fn phase(&self) -> JobPhase {
        let error = self.failure().map(RpcStatus::class);
        match (self.state(), error) {
            ("EXPIRED", _) => self.stopped(FailClass::Provider),
            ("CANCELLED", _) | (_, Some(FailClass::Cancelled)) => {
                self.stopped(FailClass::Cancelled)
            }
            (_, Some(class)) => self.failed(class),
            ("SUCCEEDED" | "PARTIALLY_SUCCEEDED", None) => self.succeeded(),
            ("FAILED", None) => self.failed(FailClass::Provider),
            // The state is missing, or newer than this release, but there is no going back from done.
            _ if self.done => self.succeeded(),
            ("" | "UNSPECIFIED" | "PENDING" | "QUEUED", None) => JobPhase::Pending,
            ("RUNNING" | "CANCELLING" | "UPDATING", None) => JobPhase::Running,
            _ => JobPhase::Unrecognised,
        }
    }

    /// Whether anything in it says so.
    #[cfg(feature = "fuzzing")]
    pub(super) fn may_have_succeeded(&self) -> bool {
        self.failure().is_none() && (self.says_succeeded() || self.done)
    }

    fn says_succeeded(&self) -> bool {
        matches!(self.state(), "SUCCEEDED" | "PARTIALLY_SUCCEEDED")
    }

    /// What went wrong. Code 0 is the one for success, which the state has to confirm.
    fn failure(&self) -> Option<&RpcStatus> {
        self.error.as_ref().filter(|error| error.code != 0 || !self.says_succeeded())
    }

    /// Whether done or about to be: results that are not named yet are asked for again.
    fn succeeded(&self) -> JobPhase {
        let results = self.results();
        if results.is_none() && !self.done {
            return JobPhase::Running;
        }
        JobPhase::Succeeded { results }
    }

    /// A job that failed did nothing, unless it says that it did.
    fn failed(&self, class: FailClass) -> JobPhase {
        if self.results().is_none() && self.rows_done().unwrap_or_default() == 0 {
            return JobPhase::Failed(class);
        }
        self.stopped(class)
    }

    fn stopped(&self, class: FailClass) -> JobPhase {
        JobPhase::Stopped { class, done: self.rows_done(), results: self.results() }
    }

    fn rows_done(&self) -> Option<u64> {
        let stats = self.metadata.as_ref()?.batch_stats.as_ref();
        stats.map(|stats| stats.successful_request_count)
    }

    fn results(&self) -> Option<String> {
        let outputs =
            [self.response.as_ref(), self.metadata.as_ref().and_then(|m| m.output.as_ref())];
        outputs.into_iter().flatten().find_map(|output| output.responses_file.clone())
    }

    /// The state without the prefix, of which two are in use.
    fn state(&self) -> &str {
        let state = self.metadata.as_ref().and_then(|metadata| metadata.state.as_deref());
        let state = state.unwrap_or_default();
        let bare = state.strip_prefix("BATCH_STATE_").or_else(|| state.strip_prefix("JOB_STATE_"));
        bare.unwrap_or(state)
    }
}

/// A page of jobs. One that cannot be read is none of ours, and costs no other.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Jobs {
    #[serde(deserialize_with = "readable")]
    operations: Vec<Operation>,
    #[serde(deserialize_with = "or_none")]
    next_page_token: String,
}

fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Operation>, D::Error> {
    let all: Vec<Value> = or_none(deserializer)?;
    Ok(all.into_iter().filter_map(|one| Operation::deserialize(one).ok()).collect())
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) job: JobName,
    created: Option<DateTime<Utc>>,
}

impl Jobs {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    pub(super) fn next_page(&self) -> Option<&str> {
        Some(self.next_page_token.as_str()).filter(|token| !token.is_empty())
    }

    /// The oldest of `so_far` and the jobs here that bear exactly this name. Jobs come newest first,
    /// so without times the last one is the oldest.
    pub(super) fn oldest_named(&self, name: &str, so_far: Option<Found>) -> Option<Found> {
        let named = self.operations.iter().filter_map(|operation| {
            let metadata = operation.metadata.as_ref()?;
            if metadata.display_name.as_deref() != Some(name) {
                return None;
            }
            let created = metadata.create_time.as_deref();
            let created = created.and_then(|time| time.parse().ok());
            Some(Found { job: operation.job()?, created })
        });
        so_far.into_iter().chain(named).reduce(|oldest, next| {
            match (oldest.created, next.created) {
                (Some(first), Some(second)) if first < second => oldest,
                _ => next,
            }
        })
    }
}

#[cfg(test)]
mod tests;
