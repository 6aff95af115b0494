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
    /// What machines read, such as `API_KEY_INVALID`.
    reason: Option<String>,
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
            reason: text("reason").and_then(enum_word),
            retry_after: text("retryDelay").and_then(seconds).max(header.and_then(seconds)),
        }
    }

    /// Whether fresh credentials may be let through.
    pub(super) fn doubts_credentials(&self) -> bool {
        let reason = self.reason.as_deref().unwrap_or_default();
        self.status == StatusCode::UNAUTHORIZED
            || reason.starts_with("API_KEY_")
            || reason == "ACCOUNT_STATE_INVALID"
    }

    pub(super) fn into_call_error(self, purpose: Purpose) -> CallError {
        let word = self.word.as_deref().unwrap_or("without a status word");
        let detail = self.reason.as_deref().map(|reason| format!(" ({reason})"));
        let detail = detail.unwrap_or_default();
        let told = |advice: &str| {
            let advice = self.reason.as_deref().and_then(advice_for).unwrap_or(advice);
            let colon = if advice.is_empty() { "" } else { ": " };
            format!("HTTP {} {word}{detail}{colon}{advice}", self.status.as_u16())
        };
        match self.status.as_u16() {
            429 | 503 => not_created(told(""), self.retry_after),
            400 if self.doubts_credentials() => rejected(FailClass::Account, told("")),
            401 => rejected(FailClass::Account, told("the credentials are refused")),
            403 => rejected(FailClass::Account, told("check permissions and billing")),
            // Such as an upload that has run out, or has got elsewhere: no fault of what is sent.
            400..500 if purpose == Purpose::Part => not_created(told("begun anew"), None),
            404 if purpose == Purpose::Purchase => {
                rejected(FailClass::Retired, told("the model is not there, or no longer"))
            }
            404 => rejected(FailClass::Account, told("it is not there, or no longer")),
            300..400 => rejected(FailClass::Account, told("check api-endpoint")),
            408 | 409 | 499 | 500.. => match purpose.lost(told("")) {
                CallError::NotCreated { reason, .. } => not_created(reason, self.retry_after),
                unknown => unknown,
            },
            _ => rejected(FailClass::Invalid, told("")),
        }
    }
}

/// What ops can do about a `google.rpc.ErrorInfo`.
fn advice_for(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "API_KEY_INVALID" => "check the API key",
        "API_KEY_SERVICE_BLOCKED"
        | "API_KEY_HTTP_REFERRER_BLOCKED"
        | "API_KEY_IP_ADDRESS_BLOCKED" => "lift the API key's restrictions, or store another one",
        reason if reason.starts_with("API_KEY_") => "the API key is refused: store another one",
        "SERVICE_DISABLED" => "enable this API in the account's project",
        "BILLING_DISABLED" => "enable billing for the account's project",
        "CONSUMER_INVALID" | "CONSUMER_SUSPENDED" => "the project is gone or suspended",
        "ACCOUNT_STATE_INVALID" => {
            "the service account is disabled or deleted: enable it, or store \
             another one's key"
        }
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT" => "the token's scopes do not reach this method",
        "CREDENTIALS_MISSING" => "this method takes a service account's token, and no API key",
        "IAM_PERMISSION_DENIED" => "give the service account a role that may use this API",
        _ => return None,
    })
}

/// A wait as `Retry-After` gives it (`12`) or as `RetryInfo` does (`12s`, `0.5s`).
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s').unwrap_or(text).parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The class of a `google.rpc.Code`, as rows and jobs carry it. Rows bring their pictures along, so
/// what was not found can only be the model.
pub(super) fn class_of_rpc(code: u64) -> FailClass {
    match code {
        1 => FailClass::Cancelled,
        3 | 9 | 11 => FailClass::Invalid,
        5 => FailClass::Retired,
        7 | 16 => FailClass::Account,
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
            CallError::Unfit(_) => "unfit",
            CallError::Rejected { class: FailClass::Account, .. } => "account",
            CallError::Rejected { class: FailClass::Invalid, .. } => "invalid",
            CallError::Rejected { class: FailClass::Retired, .. } => "retired",
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
        for status in [302, 401, 403] {
            assert_eq!(of(status), ["account"; 2], "{status}");
        }
        assert_eq!(of(404), ["retired", "account"]);
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
    fn ops_are_told_what_to_do() {
        let told = |status: u16, word: &str, reason: &str| {
            let details = serde_json::json!([{"reason": reason, "metadata": {"consumer": "p/1"}}]);
            let error =
                serde_json::json!({"status": word, "message": "Prose.", "details": details});
            let body = serde_json::json!({"error": error}).to_string();
            refusal(status, &body).into_call_error(Purpose::Free).to_string()
        };
        let denied = "PERMISSION_DENIED";
        for (status, word, reason, advice) in [
            (400, "INVALID_ARGUMENT", "API_KEY_INVALID", "check the API key"),
            (403, denied, "API_KEY_SERVICE_BLOCKED", "lift the API key's restrictions"),
            (400, "INVALID_ARGUMENT", "API_KEY_EXPIRED", "store another one"),
            (403, denied, "SERVICE_DISABLED", "enable this API"),
            (403, denied, "BILLING_DISABLED", "enable billing"),
            (403, denied, "CONSUMER_SUSPENDED", "gone or suspended"),
            (401, "UNAUTHENTICATED", "ACCOUNT_STATE_INVALID", "is disabled or deleted"),
            (403, denied, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "scopes do not reach"),
            (401, "UNAUTHENTICATED", "CREDENTIALS_MISSING", "takes a service account's token"),
            (403, denied, "IAM_PERMISSION_DENIED", "give the service account a role"),
            (403, denied, "A_REASON_OF_TOMORROW", "check permissions and billing"),
            (401, "UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED", "the credentials are refused"),
        ] {
            let message = told(status, word, reason);
            let head = format!("refused (Account): HTTP {status} {word} ({reason}): ");
            assert!(message.starts_with(&head) && message.contains(advice), "{message}");
            assert!(!message.contains("Prose"), "{message}");
        }
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
            ours: false,
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
