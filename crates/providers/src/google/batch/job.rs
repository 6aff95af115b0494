//! Jobs as operations, in every spelling that was seen: every field may be missing.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use tryon_core::{ids::JobName, outcome::FailClass, ports::JobPhase};

use crate::{google::errors::class_of_rpc, read::count, url::is_resource};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Operation {
    name: String,
    metadata: Option<Metadata>,
    done: bool,
    error: Option<RpcStatus>,
    response: Option<Output>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    display_name: Option<String>,
    create_time: Option<String>,
    state: Option<String>,
    output: Option<Output>,
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
    responses_file: Option<String>,
}

/// `google.rpc.Status`; its message is Google's prose and not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RpcStatus {
    #[serde(deserialize_with = "count")]
    code: u64,
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

/// A page of jobs.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Jobs {
    operations: Vec<Operation>,
    next_page_token: String,
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
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn phase(json: &Value) -> JobPhase {
        Operation::parse(json.to_string().as_bytes()).unwrap().phase()
    }

    fn in_state(state: &str) -> JobPhase {
        phase(&json!({"name": "batches/b", "metadata": {"state": state}}))
    }

    /// Nothing is said of what was done by then.
    fn stopped(class: FailClass) -> JobPhase {
        JobPhase::Stopped { class, done: None, results: None }
    }

    #[test]
    fn a_job_that_was_stopped_says_what_was_done() {
        let of = |metadata: Value| match phase(&json!({"done": true, "metadata": metadata,
            "error": {"code": 1}}))
        {
            JobPhase::Stopped { class: FailClass::Cancelled, done, results } => (done, results),
            other => panic!("{other:?}"),
        };
        let state = "BATCH_STATE_CANCELLED";
        let counts = json!({"requestCount": "50", "successfulRequestCount": "7"});
        let file = "files/batch-b";
        let output = json!({"responsesFile": file});
        let all = json!({"state": state, "batchStats": counts, "output": output});
        assert_eq!(of(all), (Some(7), Some(file.to_owned())));
        let none = json!({"state": state, "batchStats": {"requestCount": "50"}});
        assert_eq!(of(none), (Some(0), None), "a count that is zero is absent");
        assert_eq!(of(json!({"state": state})), (None, None));
    }

    #[test]
    fn a_job_that_failed_with_rows_done_hands_them_out() {
        let file = "files/batch-b";
        let counts = json!({"requestCount": "50", "successfulRequestCount": "49"});
        let output = json!({"responsesFile": file});
        let state = "BATCH_STATE_FAILED";
        for (error, class) in [(None, FailClass::Provider), (Some(7), FailClass::Account)] {
            let of = |metadata: Value| match error {
                Some(code) => json!({"done": true, "metadata": metadata, "error": {"code": code}}),
                None => json!({"done": true, "metadata": metadata}),
            };
            let told = |done, results: Option<&str>| JobPhase::Stopped {
                class,
                done,
                results: results.map(str::to_owned),
            };
            let all = of(json!({"state": state, "batchStats": counts, "output": output}));
            assert_eq!(phase(&all), told(Some(49), Some(file)));
            let billed = of(json!({"state": state, "batchStats": counts}));
            assert_eq!(phase(&billed), told(Some(49), None));
            let named = of(json!({"state": state, "output": output}));
            assert_eq!(phase(&named), told(None, Some(file)));
            let none = of(json!({"state": state, "batchStats": {"requestCount": "50"}}));
            assert_eq!(phase(&none), JobPhase::Failed(class));
        }
    }

    #[test]
    fn code_0_is_no_error() {
        let output = json!({"responsesFile": "files/batch-b"});
        let metadata = json!({"state": "BATCH_STATE_SUCCEEDED", "output": output});
        for error in [json!({}), json!({"code": 0})] {
            let job = json!({"done": true, "metadata": metadata, "error": error});
            let results = Some("files/batch-b".to_owned());
            assert_eq!(phase(&job), JobPhase::Succeeded { results });
        }
        let words = json!({"done": true, "error": {"message": "words"}});
        assert_eq!(phase(&words), JobPhase::Failed(FailClass::Provider));
    }

    #[test]
    fn both_spellings() {
        for prefix in ["BATCH_STATE_", "JOB_STATE_"] {
            let of = |state| in_state(&format!("{prefix}{state}"));
            assert_eq!(of("UNSPECIFIED"), JobPhase::Pending);
            assert_eq!(of("PENDING"), JobPhase::Pending);
            assert_eq!(of("RUNNING"), JobPhase::Running);
            assert_eq!(of("FAILED"), JobPhase::Failed(FailClass::Provider));
            assert_eq!(of("CANCELLED"), stopped(FailClass::Cancelled));
            assert_eq!(of("EXPIRED"), stopped(FailClass::Provider));
            assert_eq!(of("TOMORROWS"), JobPhase::Unrecognised);
        }
        assert_eq!(phase(&json!({"name": "batches/b"})), JobPhase::Pending);
    }

    #[test]
    fn results_in_either_place() {
        let named = JobPhase::Succeeded { results: Some("files/batch-b".to_owned()) };
        let output = json!({"responsesFile": "files/batch-b"});
        let state = "BATCH_STATE_SUCCEEDED";
        let both = [
            json!({"done": true, "metadata": {"state": state}, "response": output}),
            json!({"done": true, "metadata": {"state": state, "output": output}}),
            json!({"metadata": {"state": state, "output": output}}),
            json!({"done": true, "response": output}),
        ];
        for json in both {
            assert_eq!(phase(&json), named, "{json}");
        }
    }

    #[test]
    fn success_without_results() {
        let state = json!({"state": "BATCH_STATE_SUCCEEDED"});
        assert_eq!(phase(&json!({"metadata": state})), JobPhase::Running);
        let done = phase(&json!({"metadata": state, "done": true}));
        assert_eq!(done, JobPhase::Succeeded { results: None });
    }

    #[test]
    fn errors_of_a_job() {
        let failed = |state: &str, code: u64| {
            phase(&json!({"done": true, "metadata": {"state": state},
                          "error": {"code": code, "message": "words"}}))
        };
        assert_eq!(failed("BATCH_STATE_FAILED", 13), JobPhase::Failed(FailClass::Provider));
        assert_eq!(failed("BATCH_STATE_FAILED", 3), JobPhase::Failed(FailClass::Invalid));
        assert_eq!(failed("BATCH_STATE_FAILED", 7), JobPhase::Failed(FailClass::Account));
        assert_eq!(failed("BATCH_STATE_FAILED", 5), JobPhase::Failed(FailClass::Retired));
        assert_eq!(failed("BATCH_STATE_CANCELLED", 1), stopped(FailClass::Cancelled));
        assert_eq!(failed("", 1), stopped(FailClass::Cancelled));
        assert_eq!(failed("BATCH_STATE_EXPIRED", 4), stopped(FailClass::Provider));
    }

    #[test]
    fn the_oldest_of_that_name() {
        let job = |id: &str, name: &str, time: &str| {
            json!({"name": format!("batches/{id}"),
                   "metadata": {"displayName": name, "createTime": time}})
        };
        let page = |operations: Value| {
            Jobs::parse(json!({"operations": operations}).to_string().as_bytes()).unwrap()
        };
        let first = page(json!([
            job("c", "a/gemini/1", "2026-11-23T10:00:02.000000001Z"),
            job("d", "a/gemini/10", "2026-11-23T10:00:00Z"),
        ]));
        let second = page(json!([
            job("b", "a/gemini/1", "2026-11-23T10:00:01.999999999Z"),
            job("e", "A/gemini/1", "2026-11-23T09:00:00Z"),
        ]));
        let found = first.oldest_named("a/gemini/1", None);
        let found = second.oldest_named("a/gemini/1", found).unwrap();
        assert_eq!(found.job.as_str(), "batches/b");
        assert_eq!(first.oldest_named("b/gemini/1", None), None);
    }

    #[test]
    fn a_name_that_is_none() {
        let job = |name: &str| Operation { name: name.to_owned(), ..Operation::default() }.job();
        assert_eq!(job("batches/k3-v8").unwrap().as_str(), "batches/k3-v8");
        assert_eq!(job("batches/../files/x"), None);
        assert_eq!(job(""), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body: Vec<u8>, state in "[A-Z_]{0,20}", code in 1..u64::MAX, done: bool) {
            prop_assert!(Operation::parse(&body).is_none_or(|o| o.job().is_none()));
            let json = json!({"done": done, "metadata": {"state": state}, "error": {"code": code}});
            let ended = !matches!(phase(&json), JobPhase::Pending | JobPhase::Running);
            prop_assert!(ended);
        }
    }
}
