use proptest::prelude::*;
use serde_json::json;
use tryon_core::outcome::FailClass;

use super::*;
use crate::testing::now;

fn record(json: &Value) -> Record {
    Record::parse(json.to_string().as_bytes()).unwrap()
}

fn phase(json: &Value) -> PredictionPhase {
    record(json).prediction(now()).unwrap().phase
}

fn succeeded(pictures: &[&str]) -> PredictionPhase {
    PredictionPhase::Succeeded { pictures: pictures.iter().map(|&p| p.to_owned()).collect() }
}

#[test]
fn every_status() {
    let of = |status: &str| phase(&json!({"id": "p1", "status": status}));
    assert_eq!(of("starting"), PredictionPhase::Starting);
    assert_eq!(of("processing"), PredictionPhase::Running);
    assert_eq!(of("succeeded"), succeeded(&[]));
    assert_eq!(of("failed"), PredictionPhase::Failed(FailClass::Platform));
    assert_eq!(of("canceled"), PredictionPhase::Cancelled);
    assert_eq!(of("aborted"), PredictionPhase::Aborted);
    assert_eq!(of("queued"), PredictionPhase::Unrecognised);
    let refused = json!({"id": "p1", "status": "failed", "error": "was flagged (E005) (x9)"});
    assert_eq!(phase(&refused), PredictionPhase::Refused);
    assert_eq!(record(&refused).code(), Some("E005"));
    assert!(record(&json!({"id": "p1"})).prediction(now()).is_none());
}

#[test]
fn output_in_any_form() {
    let of = |output: Value| phase(&json!({"status": "succeeded", "output": output}));
    assert_eq!(of(json!("https://a")), succeeded(&["https://a"]));
    assert_eq!(of(json!(["https://a", null, 7, "data:b"])), succeeded(&["https://a", "data:b"]));
    for nothing in [json!(null), json!([]), json!({"url": "https://a"}), json!(7)] {
        assert_eq!(of(nothing), succeeded(&[]));
    }
}

#[test]
fn what_was_deleted_is_gone() {
    let removed = json!({"status": "succeeded", "output": null, "data_removed": true});
    assert_eq!(phase(&removed), PredictionPhase::Gone);
    let ended = |at: &str, output: Value| {
        phase(&json!({"status": "succeeded", "output": output, "data_removed": false,
                      "completed_at": at}))
    };
    assert_eq!(ended("2026-11-23T09:04:59.999Z", json!(null)), PredictionPhase::Gone);
    assert_eq!(ended("2026-11-23T09:05:00.000Z", json!(null)), succeeded(&[]));
    // Nothing was made, however long ago that is.
    assert_eq!(ended("2026-11-23T08:00:00Z", json!([])), succeeded(&[]));
    assert_eq!(ended("soon", json!(null)), succeeded(&[]));
    let created = |at: &str| phase(&json!({"status": "succeeded", "created_at": at}));
    assert_eq!(created("2026-11-23T09:04:00Z"), PredictionPhase::Gone);
    assert_eq!(created("2026-11-23T09:06:00Z"), succeeded(&[]));
}

#[test]
fn a_field_may_come_twice_or_be_missing() {
    let twice = br#"{"model": "a/b", "id": "p1", "status": "processing", "model": "a/b",
        "metrics": {"predict_time": 3e-06}, "logs": null, "webhook_completed": null}"#;
    let record = Record::parse(twice).unwrap();
    assert_eq!(record.job(), Some(JobName::from("p1")));
    let prediction = record.prediction(now()).unwrap();
    assert_eq!(prediction.phase, PredictionPhase::Running);
    assert_eq!(prediction.run, Some(Duration::from_micros(3)));
}

#[test]
fn how_long_it_ran() {
    let of = |metrics: Value| {
        record(&json!({"status": "canceled", "metrics": metrics})).prediction(now()).unwrap().run
    };
    assert_eq!(
        of(json!({"predict_time": 2.5, "total_time": 9})),
        Some(Duration::from_millis(2_500))
    );
    assert_eq!(of(json!({"predict_time": 4})), Some(Duration::from_secs(4)));
    for none in
        [json!({}), json!(null), json!({"predict_time": -1}), json!({"predict_time": 1e300})]
    {
        assert_eq!(of(none), None);
    }
}

#[test]
fn times_have_any_number_of_digits() {
    for digits in ["", ".469", ".469123", ".46912345", ".469123456"] {
        let json = json!({"created_at": format!("2026-11-23T10:00:00{digits}Z")});
        assert_eq!(record(&json).created().unwrap().timestamp(), now().timestamp(), "{digits}");
    }
}

#[test]
fn an_id_that_is_none() {
    for bad in [json!("../x"), json!(""), json!("a/b"), json!(7), json!(null)] {
        assert_eq!(record(&json!({"id": bad})).job(), None);
    }
}

#[test]
fn only_the_very_attempt_is_found() {
    let attempt = AttemptId::from("r-1/sdxl/1");
    let bears = |input: Value| record(&json!({"input": input})).bears(&attempt);
    let at =
        |query: &str| format!("https://bucket.test/in/p?X-Amz-Date=1&{query}&X-Amz-Signature=2");
    for query in ["x-attempt=r-1%2Fsdxl%2F1", "x-attempt=r-1/sdxl/1", "x-attempt=r%2D1/sdxl%2f1"] {
        assert!(bears(json!({"image": at(query)})), "{query}");
        assert!(bears(json!({"prompt": "x", "image_input": ["https://a/b", at(query)]})));
    }
    for query in [
        "x-attempt=r-1/sdxl/10",
        "x-attempt=r-1/sdxl/",
        "y-attempt=r-1/sdxl/1",
        "x-attempt=R-1/sdxl/1",
        "a=x-attempt=r-1/sdxl/1",
    ] {
        assert!(!bears(json!({"image": at(query)})), "{query}");
    }
    let quoted = format!("Smile like {}", at("x-attempt=r-1/sdxl/1"));
    assert!(!bears(json!({"prompt": quoted})));
    assert!(!bears(json!({"prompt": "?x-attempt=r-1/sdxl/1", "n": 1, "more": null})));
    assert!(!record(&json!({})).bears(&attempt));
}

#[test]
fn the_oldest_of_several() {
    let attempt = AttemptId::from("r-1/sdxl/1");
    let made = |id: &str, created: Value, attempt: &str| {
        json!({"id": id, "created_at": created,
               "input": {"image": format!("https://a/b?x-attempt={attempt}")}})
    };
    let page =
        |results: Value| Page::parse(json!({"results": results}).to_string().as_bytes()).unwrap();
    let first = page(json!([
        made("e", json!("2026-11-23T10:00:09.5Z"), "r-1/sdxl/1"),
        made("d", json!("2026-11-23T10:00:08Z"), "r-1/sdxl/10"),
        "not a prediction",
    ]));
    let second = page(json!([
        made("c", json!("2026-11-23T10:00:09.499999999Z"), "r-1/sdxl/1"),
        made("b", json!("2026-11-23T10:00:07Z"), "r-2/sdxl/1"),
        made("a", json!("2026-11-23T09:59:59Z"), "r-1/sdxl/1"),
    ]));
    let found = first.oldest_for(&attempt, now(), None);
    let found = second.oldest_for(&attempt, now(), found).unwrap();
    assert_eq!(found.job.as_str(), "c");
    assert!(!first.reaches(now()) && second.reaches(now()));
    let undated =
        page(json!([made("g", json!(null), "r-1/sdxl/1"), made("f", json!(1), "r-1/sdxl/1")]));
    assert_eq!(undated.oldest_for(&attempt, now(), None).unwrap().job.as_str(), "f");
}

#[test]
fn the_next_page_is_one_of_ours() {
    let list = "https://api.replicate.com/v1/predictions";
    let next = |next: Value| {
        Page::parse(json!({"results": [], "next": next}).to_string().as_bytes()).unwrap().next(list)
    };
    let good = Some(format!("{list}?cursor=cD0y%2B"));
    assert_eq!(next(json!("https://api.replicate.com/v1/predictions?cursor=cD0y%2B")), good);
    assert_eq!(next(json!("http://api.replicate.com/v1/predictions?cursor=cD0y%2B")), good);
    for bad in [
        "https://evil.test/v1/predictions?cursor=a",
        "https://api.replicate.com/v1/models?a=b",
        "https://api.replicate.com:444/v1/predictions?cursor=a",
        "/v1/predictions?cursor=a",
        list,
        "https://api.replicate.com@evil.test/v1/predictions?cursor=a",
        "",
        "?",
    ] {
        assert_eq!(next(json!(bad)), None, "{bad}");
    }
    assert_eq!(next(json!(null)), None);
    assert!(Page::parse(b"{\"next\": null}").is_none());
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("succeeded".to_owned()),
        Just("failed".to_owned()),
        Just("https://a/b?x-attempt=r-1/sdxl/1".to_owned()),
        Just("2026-11-23T10:00:00Z".to_owned()),
        "\\PC{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "id",
        "status",
        "input",
        "output",
        "error",
        "metrics",
        "predict_time",
        "created_at",
        "completed_at",
        "data_removed",
        "results",
        "next",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let fields = prop::collection::vec((name.clone(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            fields.prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_survived(json in any_json(), bytes: Vec<u8>) {
        let attempt = AttemptId::from("r-1/sdxl/1");
        let text = json.to_string();
        for body in [text.as_bytes(), &bytes] {
            if let Some(record) = Record::parse(body) {
                record.prediction(now());
                record.code();
                prop_assert!(record.job().is_none_or(|job| is_id(job.as_str())));
            }
            if let Some(page) = Page::parse(body) {
                page.next("https://api.replicate.com/v1/predictions");
                page.oldest_for(&attempt, now(), None);
            }
        }
    }
}
