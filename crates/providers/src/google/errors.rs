//! The one mapping from what went wrong on the wire to what may be done about it. Google's own words
//! go no further than here: a reason carries the status, its enum word, and words of ours.

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
    /// Google's `status`, such as `RESOURCE_EXHAUSTED`.
    word: Option<String>,
    bad_key: bool,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) async fn read(response: Response<ByteStream>) -> Self {
        let (head, body) = response.into_parts();
        // The status alone says enough where the rest is lost.
        let body = whole(body, MOST).await.unwrap_or_default();
        Self::parse(head.status, &head.headers, &body)
    }

    fn parse(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        // Some Vertex methods wrap the error in a list.
        let error = body.get("error").or_else(|| body.get(0)?.get("error"));
        let field = |name: &str| error.and_then(|error| error.get(name));
        let details = field("details").and_then(Value::as_array);
        let text = |name: &str| {
            let mut found = details.into_iter().flatten().filter_map(|d| d.get(name)?.as_str());
            found.next()
        };
        let header = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        Self {
            status,
            word: field("status").and_then(Value::as_str).and_then(enum_word),
            bad_key: text("reason") == Some("API_KEY_INVALID"),
            retry_after: text("retryDelay").and_then(seconds).max(header.and_then(seconds)),
        }
    }

    /// Whether fresh credentials may be let through.
    pub(super) fn doubts_credentials(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED || self.bad_key
    }

    pub(super) fn into_call_error(self, purpose: Purpose) -> CallError {
        let word = self.word.as_deref().unwrap_or("without a status word");
        let reason = |advice: &str| format!("HTTP {} {word}{advice}", self.status.as_u16());
        match self.status.as_u16() {
            429 | 503 => not_created(reason(""), self.retry_after),
            400 if self.bad_key => rejected(FailClass::Account, reason(": check the API key")),
            401 => rejected(FailClass::Account, reason(": the credentials are refused")),
            403 => rejected(FailClass::Account, reason(": check permissions and billing")),
            404 => rejected(FailClass::Account, reason(": is the model retired?")),
            300..400 => rejected(FailClass::Account, reason(": check api-endpoint")),
            408 | 409 | 499 | 500.. => match purpose.lost(reason("")) {
                CallError::NotCreated { reason, .. } => not_created(reason, self.retry_after),
                unknown => unknown,
            },
            _ => rejected(FailClass::Invalid, reason("")),
        }
    }
}

/// A wait as `Retry-After` gives it (`12`) or as `RetryInfo` does (`12s`, `0.5s`).
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s').unwrap_or(text).parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The class of a `google.rpc.Code`, as rows and jobs carry it.
pub(super) fn class_of_rpc(code: u64) -> FailClass {
    match code {
        1 => FailClass::Cancelled,
        3 | 9 | 11 => FailClass::Invalid,
        5 | 7 | 16 => FailClass::Account,
        _ => FailClass::Provider,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(status: u16, body: &str) -> Refusal {
        let status = StatusCode::from_u16(status).unwrap();
        Refusal::parse(status, &HeaderMap::new(), body.as_bytes())
    }

    fn kind(error: &CallError) -> &'static str {
        match error {
            CallError::NotCreated { .. } => "not created",
            CallError::Unknown(_) => "unknown",
            CallError::Rejected { class: FailClass::Account, .. } => "account",
            CallError::Rejected { class: FailClass::Invalid, .. } => "invalid",
            CallError::Rejected { .. } => "other",
        }
    }

    #[test]
    fn what_each_status_means() {
        let of = |status| {
            [Purpose::Purchase, Purpose::Free]
                .map(|purpose| kind(&refusal(status, "").into_call_error(purpose)))
        };
        for status in [429, 503] {
            assert_eq!(of(status), ["not created"; 2], "{status}");
        }
        for status in [408, 409, 499, 500, 502, 504, 529] {
            assert_eq!(of(status), ["unknown", "not created"], "{status}");
        }
        for status in [302, 401, 403, 404] {
            assert_eq!(of(status), ["account"; 2], "{status}");
        }
        for status in [400, 413, 422] {
            assert_eq!(of(status), ["invalid"; 2], "{status}");
        }
    }

    #[test]
    fn a_bad_key_comes_as_400() {
        let body = r#"{"error": {"code": 400, "message": "Bad key.", "status": "INVALID_ARGUMENT",
            "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
                         "reason": "API_KEY_INVALID"}]}}"#;
        let refusal = refusal(400, body);
        assert!(refusal.doubts_credentials());
        assert_eq!(kind(&refusal.into_call_error(Purpose::Purchase)), "account");
    }

    #[test]
    fn the_longer_of_two_waits_counts() {
        let body = r#"{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure"},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}]}}"#;
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        let refusal = Refusal::parse(StatusCode::TOO_MANY_REQUESTS, &headers, body.as_bytes());
        let expected = CallError::NotCreated {
            reason: "HTTP 429 RESOURCE_EXHAUSTED".to_owned(),
            retry_after: Some(Duration::from_millis(12_500)),
        };
        assert_eq!(refusal.into_call_error(Purpose::Purchase), expected);
    }

    #[test]
    fn their_words_stay_out() {
        let body = r#"{"error": {"message": "secret", "status": "a secret, too"}}"#;
        let error = refusal(400, body).into_call_error(Purpose::Free);
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn any_answer_is_mapped(status in 300..1_000_u16, body: Vec<u8>, wait in ".*") {
            let mut headers = HeaderMap::new();
            if let Ok(value) = wait.parse() {
                headers.insert(RETRY_AFTER, value);
            }
            let status = StatusCode::from_u16(status).unwrap();
            let refusal = Refusal::parse(status, &headers, &body);
            prop_assert!(!kind(&refusal.into_call_error(Purpose::Purchase)).is_empty());
        }
    }
}
