use chrono::{DateTime, Utc};
use http::StatusCode;
use serde_json::{Value, json};
use tryon_core::{ports::PortError, stages::AcceptError};

use super::{IDEMPOTENCY_KEY, patience::seconds_until, reply::Header};

/// Nobody is sent away for longer, in seconds: a limit may be raised at any time.
const LONGEST_WAIT: i64 = 3_600;
/// What passes by itself has most likely passed then, in seconds.
const SHORT_WAIT: i64 = 2;

/// Why a request was not carried out. Its texts are ours; the only words of the caller in it are the
/// names of fields.
#[derive(Debug)]
pub(super) struct Problem {
    kind: Kind,
    detail: String,
    field: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Unreadable,
    NoCaller,
    NotOps,
    NotFound,
    Method(&'static str),
    TooLarge,
    ContentType,
    Field,
    KeyReused,
    NoPicture,
    Rated,
    /// With the seconds to wait.
    Limited(i64),
    /// With the seconds to wait.
    Unfunded(i64),
    Closed,
    GateFails,
    Unavailable,
}

impl Problem {
    fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), field: None }
    }

    pub(super) fn unreadable(detail: &str) -> Self {
        Self::new(Kind::Unreadable, detail)
    }

    pub(super) fn no_caller(detail: &str) -> Self {
        Self::new(Kind::NoCaller, detail)
    }

    pub(super) fn not_ops() -> Self {
        Self::new(Kind::NotOps, "this is for operators, whom the deployment names (OPS_PRINCIPALS)")
    }

    pub(super) fn gate_fails(detail: String) -> Self {
        Self::new(Kind::GateFails, detail)
    }

    pub(super) fn not_found(detail: &str) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    pub(super) fn method(allowed: &'static str) -> Self {
        Self::new(Kind::Method(allowed), format!("use {allowed}"))
    }

    pub(super) fn too_large(most: usize) -> Self {
        Self::new(Kind::TooLarge, format!("send at most {most} bytes"))
    }

    pub(super) fn content_type() -> Self {
        Self::new(Kind::ContentType, "send the body as application/json")
    }

    pub(super) fn field(field: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Kind::Field, fix) }
    }

    pub(super) fn no_picture() -> Self {
        Self::new(Kind::NoPicture, "rate a render once it has succeeded")
    }

    pub(super) fn rated() -> Self {
        Self::new(Kind::Rated, "the picture was rated before, and otherwise; that rating stands")
    }

    /// Why the stage did not do it.
    pub(super) fn refused(error: AcceptError, now: DateTime<Utc>) -> Self {
        let wait = |at| seconds_until(at, now).min(LONGEST_WAIT);
        match error {
            AcceptError::Field(error) => Self::field(error.field, error.fix),
            AcceptError::KeyReused => {
                let fix = "this key was used with another body; take a new key for a new render";
                Self { field: Some(IDEMPOTENCY_KEY.to_owned()), ..Self::new(Kind::KeyReused, fix) }
            }
            AcceptError::RouteClosed => {
                Self::new(Kind::Closed, "no renders are accepted for this user at present")
            }
            AcceptError::Limited { again_at } => {
                let detail = "this user has had as many renders as an hour may bring";
                Self::new(Kind::Limited(wait(again_at)), detail)
            }
            AcceptError::BudgetExhausted { again_at } => {
                let detail = "the day's budget is spent; it begins anew at midnight UTC";
                Self::new(Kind::Unfunded(wait(again_at)), detail)
            }
            AcceptError::Unavailable(reason) => unavailable(&reason),
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.kind.about().1
    }

    pub(super) fn header(&self) -> Option<Header> {
        match self.kind {
            Kind::Method(allowed) => Some(("allow", allowed.to_owned())),
            Kind::Limited(wait) | Kind::Unfunded(wait) => Some(("retry-after", wait.to_string())),
            Kind::Unavailable => Some(("retry-after", SHORT_WAIT.to_string())),
            _ => None,
        }
    }

    pub(super) fn document(&self, request_id: &str) -> Value {
        let (name, status, title) = self.kind.about();
        let mut document = json!({
            "type": format!("urn:tryon:problem:{name}"),
            "title": title,
            "status": status.as_u16(),
            "detail": self.detail,
            "request_id": request_id,
        });
        if let Some(field) = &self.field {
            document["field"] = json!(field);
        }
        document
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        unavailable(&error.to_string())
    }
}

/// The reason is for our eyes alone.
pub(super) fn unavailable(reason: &str) -> Problem {
    tracing::error!(reason, "request failed");
    Problem::new(Kind::Unavailable, "try again; a render keeps its idempotency key")
}

impl Kind {
    const fn about(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::Unreadable => {
                ("unreadable-body", StatusCode::BAD_REQUEST, "The body cannot be read")
            }
            Self::NoCaller => ("no-caller", StatusCode::UNAUTHORIZED, "The caller is unknown"),
            Self::NotOps => ("not-ops", StatusCode::FORBIDDEN, "The caller is no operator"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "Not found"),
            Self::Method(_) => {
                ("method", StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed here")
            }
            Self::TooLarge => {
                ("body-too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large")
            }
            Self::ContentType => (
                "content-type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The content type is not supported",
            ),
            Self::Field => ("field", StatusCode::UNPROCESSABLE_ENTITY, "A field is wrong"),
            Self::KeyReused => (
                "key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The idempotency key was used before",
            ),
            Self::NoPicture => ("no-picture", StatusCode::CONFLICT, "There is no picture to rate"),
            Self::Rated => ("rated", StatusCode::CONFLICT, "The picture was rated before"),
            Self::Limited(_) => {
                ("hourly-limit", StatusCode::TOO_MANY_REQUESTS, "The hourly limit is reached")
            }
            Self::Unfunded(_) => {
                ("budget-exhausted", StatusCode::TOO_MANY_REQUESTS, "The day's budget is spent")
            }
            Self::GateFails => ("gate-fails", StatusCode::CONFLICT, "A gate fails"),
            Self::Closed => ("closed", StatusCode::SERVICE_UNAVAILABLE, "Renders are closed"),
            Self::Unavailable => {
                ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "Not available for the moment")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::OPENAPI;

    #[test]
    fn the_document_names_every_kind() {
        let kinds = [
            Kind::Unreadable,
            Kind::NoCaller,
            Kind::NotOps,
            Kind::NotFound,
            Kind::Method("GET"),
            Kind::TooLarge,
            Kind::ContentType,
            Kind::Field,
            Kind::KeyReused,
            Kind::NoPicture,
            Kind::Rated,
            Kind::Limited(1),
            Kind::Unfunded(1),
            Kind::Closed,
            Kind::GateFails,
            Kind::Unavailable,
        ];
        let ours = kinds.map(|kind| Problem::new(kind, "").document("")["type"].clone());
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        let documented = &document["components"]["schemas"]["Problem"]["properties"]["type"];
        let set = |kinds: &[Value]| kinds.iter().map(Value::to_string).collect::<BTreeSet<_>>();
        assert_eq!(set(documented["enum"].as_array().unwrap()), set(&ours));
    }
}
