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

#[test]
fn null_is_as_good_as_missing() {
    let nothing = json!({"name": null, "metadata": null, "done": null, "error": null,
                         "response": null});
    assert_eq!(phase(&nothing), JobPhase::Pending);
    let file = "files/batch-b";
    let done = json!({"name": "batches/b", "done": true, "error": null,
        "response": {"responsesFile": null},
        "metadata": {"displayName": null, "createTime": null, "batchStats": null,
                     "state": "BATCH_STATE_SUCCEEDED", "output": {"responsesFile": file}}});
    assert_eq!(phase(&done), JobPhase::Succeeded { results: Some(file.to_owned()) });
}

#[test]
fn a_field_that_is_odd_costs_no_other() {
    let odd = json!({"name": 7, "done": "soon", "response": [],
        "metadata": {"displayName": {}, "createTime": 7, "batchStats": "many", "output": 1,
                     "state": "BATCH_STATE_RUNNING"}});
    assert_eq!(phase(&odd), JobPhase::Running);
    // Counts that cannot be read are unknown, and no zero.
    let cancelled = json!({"metadata": {"state": "BATCH_STATE_CANCELLED", "batchStats": "many"}});
    assert_eq!(phase(&cancelled), stopped(FailClass::Cancelled));
    // An error is one in whatever words.
    let failed = json!({"done": true, "error": "It failed."});
    assert_eq!(phase(&failed), JobPhase::Failed(FailClass::Provider));
}

#[test]
fn one_odd_job_costs_no_list() {
    let ours = json!({"name": "batches/b", "metadata": {"displayName": "a/gemini/1",
        "createTime": null, "batchStats": null}, "error": null});
    for odd in [
        json!(null),
        json!(7),
        json!({"metadata": null}),
        json!({"name": null, "metadata": {"displayName": "a/gemini/1"}}),
        json!({"name": "batches/x", "metadata": "prose", "done": 1}),
    ] {
        let page = json!({"operations": [odd, ours], "nextPageToken": null}).to_string();
        let jobs = Jobs::parse(page.as_bytes()).unwrap();
        let found = jobs.oldest_named("a/gemini/1", None).unwrap();
        assert_eq!((found.job.as_str(), jobs.next_page()), ("batches/b", None), "{odd}");
    }
    assert_eq!(Jobs::parse(br#"{"operations": null}"#).unwrap().oldest_named("a", None), None);
    // What hides its jobs, or where it goes on, has not said that there are none.
    assert!(Jobs::parse(br#"{"operations": {}}"#).is_none());
    assert!(Jobs::parse(br#"{"nextPageToken": 7}"#).is_none());
}
