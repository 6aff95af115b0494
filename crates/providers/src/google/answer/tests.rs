use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::google::testing::{JPEG_BASE64, answer_json};

fn answer(json: &Value) -> Answer {
    Response::parse(json.to_string().as_bytes()).unwrap().answer(Some(1_120))
}

fn finished(reason: &str) -> RowAnswer {
    answer(&json!({"candidates": [{"finishReason": reason, "content": {"role": "model"}}]})).given
}

#[test]
fn the_final_picture_is_taken_and_drafts_are_not() {
    let answer = answer(&answer_json());
    let RowAnswer::Picture(picture) = answer.given else {
        panic!("no picture: {:?}", answer.given);
    };
    assert_eq!(picture.mime, Mime::Jpeg);
    assert_eq!(&picture.bytes[..], b"\xff\xd8\xff\xe0result");
    assert_eq!(answer.usage, Some(Usage { input: 2_440, image: 1_120, text: 180 }));
}

#[test]
fn a_draft_alone_is_no_picture() {
    // With words beside it, and without.
    for parts in [2, 1] {
        let mut json = answer_json();
        json["candidates"][0]["content"]["parts"].as_array_mut().unwrap().truncate(parts);
        assert_eq!(answer(&json).given, RowAnswer::Failed(FailClass::NoImage));
    }
}

#[test]
fn refused_content() {
    let words = [
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "SAFETY",
        "RECITATION",
        "PROHIBITED_CONTENT",
        "SPII",
        "BLOCKLIST",
        "MODEL_ARMOR",
    ];
    for word in words {
        assert_eq!(finished(word), RowAnswer::Refused, "{word}");
    }
    // Even where a picture comes along.
    let mut json = answer_json();
    json["candidates"][0]["finishReason"] = json!("IMAGE_SAFETY");
    assert_eq!(answer(&json).given, RowAnswer::Refused);
}

#[test]
fn no_picture() {
    for word in [
        "NO_IMAGE",
        "IMAGE_OTHER",
        "OTHER",
        "MALFORMED_RESPONSE",
        "STOP",
        "LANGUAGE",
        "A_WORD_OF_TOMORROW",
    ] {
        assert_eq!(finished(word), RowAnswer::Failed(FailClass::NoImage), "{word}");
    }
    for json in [json!({}), json!({"candidates": []}), json!({"candidates": [{}]})] {
        assert_eq!(answer(&json).given, RowAnswer::Failed(FailClass::NoImage), "{json}");
    }
}

#[test]
fn thinking_took_all_the_tokens() {
    assert_eq!(finished("MAX_TOKENS"), RowAnswer::Failed(FailClass::Exhausted));
    // What was drawn before the cap was reached is a picture.
    let mut json = answer_json();
    json["candidates"][0]["finishReason"] = json!("MAX_TOKENS");
    assert!(matches!(answer(&json).given, RowAnswer::Picture(_)));
}

#[test]
fn a_matter_of_the_account() {
    for word in ["ESCALATION", "PUP_LIMITED_DISABLED"] {
        assert_eq!(finished(word), RowAnswer::Failed(FailClass::Account), "{word}");
    }
}

#[test]
fn blocked_prompts() {
    let blocked = |reason: &str| answer(&json!({"promptFeedback": {"blockReason": reason}})).given;
    for word in [
        "SAFETY",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "IMAGE_SAFETY",
        "MODEL_ARMOR",
        "JAILBREAK",
        "A_WORD_OF_TOMORROW",
    ] {
        assert_eq!(blocked(word), RowAnswer::Refused, "{word}");
    }
    assert_eq!(blocked("OTHER"), RowAnswer::Failed(FailClass::NoImage));
}

#[test]
fn a_picture_that_is_none() {
    let with = |data: &str| {
        let part = json!({"inlineData": {"mimeType": "image/png", "data": data}});
        answer(&json!({"candidates": [{"content": {"parts": [part]}}]})).given
    };
    assert_eq!(with("%%%"), RowAnswer::Failed(FailClass::NoImage));
    assert_eq!(with("PHN2Zy8+"), RowAnswer::Failed(FailClass::NoImage));
    assert!(matches!(with(JPEG_BASE64), RowAnswer::Picture(_)));
    assert!(matches!(with(JPEG_BASE64.trim_end_matches('=')), RowAnswer::Picture(_)));
}

#[test]
fn usage_in_every_form() {
    let used = |usage: Value| {
        let mut json = answer_json();
        json["usageMetadata"] = usage;
        answer(&json).usage
    };
    let details = json!([{"modality": "IMAGE", "tokenCount": "3780"},
                         {"modality": "TEXT", "tokenCount": 20}]);
    let told = json!({"promptTokenCount": "10", "candidatesTokenCount": 3_800,
                      "candidatesTokensDetails": details});
    assert_eq!(used(told), Some(Usage { input: 10, image: 3_780, text: 20 }));
    let untold = json!({"promptTokenCount": 10, "candidatesTokenCount": "1150",
                        "thoughtsTokenCount": "9"});
    assert_eq!(used(untold), Some(Usage { input: 10, image: 1_120, text: 39 }));
    // A picture for nothing is no truth to bill by.
    assert_eq!(used(json!({})), None);
    assert_eq!(used(json!({"promptTokenCount": 10})), None);
    assert_eq!(used(json!({"candidatesTokenCount": 1_120})), None);
}

#[test]
fn a_count_beyond_all_bounds_is_no_truth_to_bill_by() {
    // One of these would be the day's whole budget, and more than a ledger can add up.
    for (name, huge) in [
        ("promptTokenCount", json!(u64::MAX)),
        ("candidatesTokenCount", json!("9223372036854775807")),
        ("thoughtsTokenCount", json!(10_000_001)),
        ("candidatesTokensDetails", json!([{"modality": "IMAGE", "tokenCount": u64::MAX}])),
    ] {
        let mut json = answer_json();
        json["usageMetadata"][name] = huge;
        assert_eq!(answer(&json).usage, None, "{name}");
    }
}

#[test]
fn a_refusal_is_billed_for_its_input() {
    let json = json!({"promptFeedback": {"blockReason": "SAFETY"},
                      "usageMetadata": {"promptTokenCount": 2_440}});
    assert_eq!(answer(&json).usage, Some(Usage { input: 2_440, image: 0, text: 0 }));
}

#[test]
fn without_the_entry_all_output_counts_as_the_picture() {
    let mut json = answer_json();
    json["usageMetadata"]["candidatesTokenCount"] = json!(1_150);
    let body = json.to_string();
    let usage = Response::parse(body.as_bytes()).unwrap().answer(None).usage;
    assert_eq!(usage, Some(Usage { input: 2_440, image: 1_150, text: 180 }));
}

/// Any JSON, with the names that matter among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    const NAMES: &[&str] = &[
        "candidates",
        "content",
        "parts",
        "inlineData",
        "data",
        "finishReason",
        "thought",
        "promptFeedback",
        "blockReason",
        "usageMetadata",
        "promptTokenCount",
        "candidatesTokenCount",
        "candidatesTokensDetails",
        "modality",
        "tokenCount",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![Just("STOP"), Just("IMAGE"), Just(JPEG_BASE64), Just("é=")]
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        let key = proptest::sample::select(NAMES).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(key, inner, 0..6)
                .prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_survived(json in any_json()) {
        let body = json.to_string();
        if let Ok(response) = Response::parse(body.as_bytes()) {
            let answer = response.answer(Some(1_120));
            prop_assert!(answer.usage.is_none_or(|usage| usage.input > 0));
        }
    }

    #[test]
    fn any_bytes_are_survived(body: Vec<u8>) {
        prop_assert!(Response::parse(&body).map_or(true, |r| r.reason().is_none()));
    }
}
