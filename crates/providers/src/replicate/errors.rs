//! What an error answer of the API means. Its words go no further than here: a reason carries the
//! status, plain words for the faulty field, and words of ours.

use std::time::Duration;

use http::{HeaderMap, Response, StatusCode, header::RETRY_AFTER};
use serde_json::Value;
use tryon_core::{
    outcome::FailClass,
    ports::{ByteStream, CallError},
};

use crate::{
    errors::{Purpose, not_created, rejected},
    read::{enum_word, whole},
};

/// How much of an error answer is read, in bytes.
const MOST: usize = 64 * 1_024;

/// An answer with an error status.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    /// Whether the model's version does not exist, or not for us.
    bad_version: bool,
    /// The first fault of the request, such as `enum at input.output_format`.
    fault: Option<String>,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) async fn read(response: Response<ByteStream>) -> Self {
        let (head, body) = response.into_parts();
        // The status alone says enough where the rest is lost.
        let body = whole(body, MOST).await.unwrap_or_default();
        Self::parse(head.status, &head.headers, &body)
    }

    pub(super) fn parse(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let waits = [
            body.get("retry_after").and_then(Value::as_f64).and_then(duration),
            about_seconds(text("detail")),
            headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(seconds),
        ];
        Self {
            status,
            bad_version: text("title") == "Invalid version or not permitted",
            fault: fault(&body),
            retry_after: waits.into_iter().max().flatten(),
        }
    }

    /// Whether another token may be let through.
    pub(super) fn doubts_credentials(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    pub(super) fn into_call_error(self, purpose: Purpose) -> CallError {
        let status = self.status.as_u16();
        let reason = |advice: &str| format!("HTTP {status}{advice}");
        let account = |advice| rejected(FailClass::Account, reason(advice));
        let setup = |advice| rejected(FailClass::Setup, reason(advice));
        match status {
            401 => account(": the token is refused"),
            402 => account(": see to billing and credit"),
            403 => setup(": check the token's permissions"),
            404 if purpose == Purpose::Free => rejected(FailClass::Missing, reason("")),
            404 => rejected(FailClass::Invalid, reason(": there is no such model")),
            422 if self.bad_version => setup(": check the model's name and version"),
            429 => not_created(reason(""), self.retry_after),
            300..=399 => setup(": the API has moved"),
            // Not even a 503 says that nothing was created.
            408 | 409 | 499 | 500.. => match purpose.lost(reason("")) {
                CallError::NotCreated { reason, .. } => not_created(reason, self.retry_after),
                unknown => unknown,
            },
            _ => {
                let fault = self.fault.map(|fault| format!(": {fault}"));
                rejected(FailClass::Invalid, reason(&fault.unwrap_or_default()))
            }
        }
    }
}

/// Of a field's place: no field of ours lies deeper.
const MOST_WORDS: usize = 4;

/// The names of a field and of the rule that it breaks; their prose may quote a customer.
fn fault(body: &Value) -> Option<String> {
    let field = body.get("invalid_fields")?.get(0)?;
    let kind = enum_word(field.get("type")?.as_str()?)?;
    let place = field.get("field").and_then(Value::as_str).unwrap_or_default();
    match place.split('.').take(MOST_WORDS).map(enum_word).collect::<Option<Vec<_>>>() {
        Some(words) => Some(format!("{kind} at {}", words.join("."))),
        None => Some(kind),
    }
}

fn seconds(text: &str) -> Option<Duration> {
    duration(text.trim().parse().ok()?)
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

/// `Your rate limit resets in ~30s.`
fn about_seconds(text: &str) -> Option<Duration> {
    let (_, after) = text.split_once('~')?;
    seconds(after.split_once('s')?.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn refusal(status: u16, body: &Value) -> Refusal {
        let status = StatusCode::from_u16(status).unwrap();
        Refusal::parse(status, &HeaderMap::new(), body.to_string().as_bytes())
    }

    #[test]
    fn a_place_of_many_words_makes_no_long_reason() {
        let place = vec!["input"; 10_000].join(".");
        let body = json!({"invalid_fields": [{"type": "required", "field": place}]});
        assert_eq!(fault(&body).unwrap(), "required at input.input.input.input");
    }

    fn kind(error: &CallError) -> &'static str {
        match error {
            CallError::NotCreated { .. } => "not created",
            CallError::Unknown(_) => "unknown",
            CallError::Unfit(_) => "unfit",
            CallError::Rejected { class: FailClass::Account, .. } => "account",
            CallError::Rejected { class: FailClass::Setup, .. } => "setup",
            CallError::Rejected { class: FailClass::Invalid, .. } => "invalid",
            CallError::Rejected { class: FailClass::Missing, .. } => "missing",
            CallError::Rejected { .. } => "other",
        }
    }

    #[test]
    fn what_each_status_means() {
        let table: [(&[u16], [&str; 2]); 6] = [
            (&[429], ["not created"; 2]),
            (&[408, 409, 499, 500, 502, 503, 504, 520], ["unknown", "not created"]),
            (&[401, 402], ["account"; 2]),
            (&[301, 307, 403], ["setup"; 2]),
            (&[400, 413, 415, 422], ["invalid"; 2]),
            (&[404], ["invalid", "missing"]),
        ];
        for (statuses, expected) in table {
            for &status in statuses {
                let got = [Purpose::Purchase, Purpose::Free].map(|purpose| {
                    kind(&refusal(status, &json!({"status": status})).into_call_error(purpose))
                });
                assert_eq!(got, expected, "{status}");
            }
        }
    }

    #[test]
    fn a_version_that_is_gone_needs_a_person() {
        let body = json!({"title": "Invalid version or not permitted", "status": 422,
            "detail": "The specified version does not exist (or perhaps you may not use it?)"});
        let error = refusal(422, &body).into_call_error(Purpose::Purchase);
        assert_eq!(
            error.to_string(),
            "refused (Setup): HTTP 422: check the model's name and version"
        );
    }

    #[test]
    fn names_the_faulty_field_and_quotes_nothing() {
        let body = |field: &str| {
            json!({"title": "Input validation failed", "detail": "- input: Anna's secret\n",
                   "invalid_fields": [{"type": "enum", "field": field, "description": "secret"}]})
        };
        let of = |field| refusal(422, &body(field)).into_call_error(Purpose::Purchase).to_string();
        assert_eq!(
            of("input.output_format"),
            "refused (Invalid): HTTP 422: enum at input.output_format"
        );
        assert_eq!(of("a secret"), "refused (Invalid): HTTP 422: enum");
        let billing = json!({"title": "Insufficient credit", "detail": "Buy some secret credit."});
        let error = refusal(402, &billing).into_call_error(Purpose::Purchase);
        assert!(!format!("{error} {error:?}").contains("some"));
    }

    #[test]
    fn the_longest_of_three_waits_counts() {
        let wait = |body: Value, header: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(RETRY_AFTER, header.parse().unwrap());
            }
            let body = body.to_string();
            Refusal::parse(StatusCode::TOO_MANY_REQUESTS, &headers, body.as_bytes()).retry_after
        };
        let detail = "Request was throttled. Your rate limit resets in ~30s.";
        let some = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(wait(json!({"detail": detail}), None), some(30));
        assert_eq!(wait(json!({"detail": detail, "retry_after": 5}), Some("7")), some(30));
        assert_eq!(wait(json!({"detail": "~3s", "retry_after": 5}), None), some(5));
        assert_eq!(wait(json!({"detail": "soon ~", "retry_after": "5"}), Some("7")), some(7));
        assert_eq!(wait(json!([]), Some("Wed, 21 Oct 2026 07:28:00 GMT")), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_mapped(status in 300..1_000_u16, body: Vec<u8>, detail: String) {
            let status = StatusCode::from_u16(status).unwrap();
            let parse = |body: &[u8]| Refusal::parse(status, &HeaderMap::new(), body);
            let said = json!({"detail": detail, "retry_after": -1}).to_string();
            for refusal in [parse(&body), parse(said.as_bytes())] {
                prop_assert_ne!(kind(&refusal.into_call_error(Purpose::Purchase)), "other");
            }
        }
    }
}
