use http::StatusCode;
use serde::Deserialize;
use tryon_core::{
    outcome::FailClass,
    ports::{CallError, PortError},
};

use crate::{
    errors::{not_created, ours_away, rejected},
    google::key::KeyError,
    read::{enum_word, or_none},
};

/// Why there is no token, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error(
        "the service account key cannot be used: {0}; store the JSON file that Google gave out"
    )]
    Key(#[from] KeyError),
    #[error("the service account key could not be read: {0}")]
    Secret(#[from] PortError),
    /// With how far this machine's clock is ahead of Google's, in seconds, where the answer told.
    #[error("the token was refused for its time: {}", skew(*.0))]
    ClockSkew(Option<i64>),
    #[error(
        "the token was refused for its signature: the key was rotated or deleted; store a new one"
    )]
    WrongKey,
    #[error("the token was refused for its account: it was deleted, or the key is for another one")]
    AccountNotFound,
    #[error(
        "the token was refused for its account: it is disabled; enable it, or store another's key"
    )]
    AccountDisabled,
    #[error("the token was refused for its audience: check token_uri in the key")]
    Audience,
    #[error("the token was refused for its scope: check the scopes asked for")]
    Scope,
    #[error("the token was refused: {0}")]
    Refused(String),
    #[error("no token could be had: {0}")]
    Unavailable(String),
}

fn skew(ahead: Option<i64>) -> String {
    match ahead {
        Some(-5..=5) => {
            "yet this machine's clock agrees with Google's; was the call held up?".to_owned()
        }
        Some(ahead) => {
            let side = if ahead > 0 { "ahead of" } else { "behind" };
            let seconds = ahead.unsigned_abs();
            format!("this machine's clock is {seconds} s {side} Google's; set it right")
        }
        None => "set this machine's clock right".to_owned(),
    }
}

#[derive(Default, Deserialize)]
struct ErrorBody {
    #[serde(default, deserialize_with = "or_none")]
    error: String,
    #[serde(default, deserialize_with = "or_none")]
    error_description: String,
}

impl TokenError {
    /// Whether the same request may work a little later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Secret(PortError::Unavailable(_)))
    }

    /// Reads an answer with an error status. The endpoint gives no finer code than its wording.
    /// `ahead` is how far our clock is, where that is known.
    pub(in crate::google) fn refused(status: StatusCode, body: &[u8], ahead: Option<i64>) -> Self {
        let ErrorBody { error, error_description } =
            serde_json::from_slice(body).unwrap_or_default();
        let word = enum_word(&error).unwrap_or_else(|| "no error word".to_owned());
        let reason = format!("HTTP {} {word}", status.as_u16());
        let passing = ["internal_failure", "server_error", "temporarily_unavailable"];
        if matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
            || passing.contains(&error.as_str())
        {
            return Self::Unavailable(reason);
        }
        let wording = error_description.to_ascii_lowercase();
        let says = |part| wording.contains(part);
        match error.as_str() {
            "invalid_scope" | "unauthorized_client" => Self::Scope,
            "disabled_client" | "account_disabled" => Self::AccountDisabled,
            "deleted_client" => Self::AccountNotFound,
            "invalid_grant" if says("signature") => Self::WrongKey,
            "invalid_grant" if says("timeframe") || says("short-lived") => Self::ClockSkew(ahead),
            "invalid_grant" if says("audience") => Self::Audience,
            "invalid_grant" if says("account not found") || says("deleted") => {
                Self::AccountNotFound
            }
            "invalid_grant" | "invalid_client" if says("disabled") => Self::AccountDisabled,
            _ => Self::Refused(reason),
        }
    }
}

/// Without a token nothing was sent, let alone bought.
impl From<TokenError> for CallError {
    fn from(error: TokenError) -> Self {
        if matches!(error, TokenError::Secret(PortError::Unavailable(_))) {
            ours_away(error.to_string())
        } else if error.is_retryable() {
            not_created(error.to_string(), None)
        } else {
            rejected(FailClass::Account, error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(status: u16, error: &str, description: &str) -> TokenError {
        let body = serde_json::json!({"error": error, "error_description": description});
        let status = StatusCode::from_u16(status).unwrap();
        TokenError::refused(status, body.to_string().as_bytes(), Some(90))
    }

    #[test]
    fn each_refusal_is_told_apart() {
        let timeframe = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a \
                         reasonable timeframe. Check your iat and exp values in the JWT claim.";
        let cases = [
            ("invalid_grant", "Invalid JWT Signature.", TokenError::WrongKey),
            ("invalid_grant", timeframe, TokenError::ClockSkew(Some(90))),
            ("invalid_grant", "Invalid JWT: Failed audience check.", TokenError::Audience),
            ("invalid_grant", "Invalid grant: account not found", TokenError::AccountNotFound),
            ("invalid_scope", "Invalid OAuth scope or ID token audience.", TokenError::Scope),
            ("invalid_grant", "Account has been deleted", TokenError::AccountNotFound),
            ("invalid_grant", "Account has been disabled", TokenError::AccountDisabled),
            ("disabled_client", "The OAuth client was disabled.", TokenError::AccountDisabled),
            ("unauthorized_client", "Client is unauthorized.", TokenError::Scope),
        ];
        for (error, description, expected) in cases {
            let got = refused(400, error, description);
            assert!(!got.is_retryable());
            assert_eq!(got, expected);
            assert!(matches!(
                CallError::from(got),
                CallError::Rejected { class: FailClass::Account, .. }
            ));
        }
    }

    #[test]
    fn the_skew_is_told_where_it_is_known() {
        let told = |ahead| TokenError::ClockSkew(ahead).to_string();
        assert!(told(Some(3_700)).contains("clock is 3700 s ahead of Google's"));
        assert!(told(Some(-90)).contains("clock is 90 s behind Google's"));
        assert!(told(None).ends_with("set this machine's clock right"));
        assert!(told(Some(2)).contains("agree"));
    }

    #[test]
    fn what_may_pass() {
        for status in [408, 429, 500, 503, 504] {
            assert!(refused(status, "", "").is_retryable(), "{status}");
        }
        for error in ["internal_failure", "server_error", "temporarily_unavailable"] {
            assert!(refused(400, error, "").is_retryable(), "{error}");
        }
        let secret = TokenError::Secret(PortError::Unavailable("throttled".to_owned()));
        assert!(matches!(CallError::from(secret), CallError::NotCreated { .. }));
        assert!(!refused(400, "unauthorized_client", "").is_retryable());
    }

    #[test]
    fn their_words_stay_out() {
        let error = refused(400, "my secret", "another secret");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn any_body_is_mapped(body: Vec<u8>) {
            let error = TokenError::refused(StatusCode::BAD_REQUEST, &body, None);
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
