//! Replicate's error bodies.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// A refusal of the API.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    status: u16,
    body: Value,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    pub(super) kind: &'static str,
    pub(super) field: String,
    pub(super) description: String,
}

impl Invalid {
    pub(super) fn new(kind: &'static str, field: &str, description: impl Into<String>) -> Self {
        Self { kind, field: field.to_owned(), description: description.into() }
    }
}

impl Problem {
    fn titled(status: u16, title: &str, detail: &str) -> Self {
        Self { status, body: json!({"title": title, "detail": detail, "status": status}) }
    }

    pub(super) fn unauthenticated() -> Self {
        let detail = "You did not pass a valid authentication token";
        Self::titled(401, "Unauthenticated", detail)
    }

    pub(super) fn not_found() -> Self {
        let detail = "The requested resource could not be found.";
        Self { status: 404, body: json!({"detail": detail, "status": 404}) }
    }

    pub(super) fn unreadable(detail: &str) -> Self {
        Self::titled(400, "Bad request", detail)
    }

    pub(super) fn version() -> Self {
        let detail = "The specified version does not exist (or perhaps you don't have permission \
                      to use it?)";
        Self::titled(422, "Invalid version or not permitted", detail)
    }

    pub(super) fn invalid(fields: &[Invalid]) -> Self {
        let line = |wrong: &Invalid| format!("- {}: {}\n", wrong.field, wrong.description);
        let field = |wrong: &Invalid| json!({"type": wrong.kind, "field": wrong.field, "description": wrong.description});
        let body = json!({
            "title": "Input validation failed",
            "detail": fields.iter().map(line).collect::<String>(),
            "status": 422,
            "invalid_fields": fields.iter().map(field).collect::<Vec<_>>(),
        });
        Self { status: 422, body }
    }

    /// Too many calls; an account with little credit is told so.
    pub(super) fn throttled(low_credit: bool, seconds: u64) -> Self {
        let reduced = if low_credit {
            "Your rate limit for creating predictions is reduced to 6 requests per minute with a \
             burst of 1 requests while you have less than $5.0 in credit. "
        } else {
            ""
        };
        let resets = format!("Your rate limit resets in ~{seconds}s.");
        let detail = format!("Request was throttled. {reduced}{resets}");
        let mut body = json!({"detail": detail});
        if low_credit {
            body["status"] = 429.into();
            body["retry_after"] = seconds.into();
        }
        Self { status: 429, body }
    }

    /// What the fault script wishes, as the API would say it.
    pub(crate) fn scripted(code: u16, retry_after: Option<u64>) -> Self {
        let mut problem = match code {
            401 => Self::unauthenticated(),
            402 => Self::titled(
                402,
                "Insufficient credit",
                "You have insufficient credit to run this model. Go to \
                 https://replicate.com/account/billing#billing to purchase credit.",
            ),
            404 => Self::not_found(),
            422 => Self::version(),
            429 => Self::throttled(false, retry_after.unwrap_or(30)),
            code => {
                let detail = "The service cannot answer this now.";
                Self { status: code, body: json!({"detail": detail, "status": code}) }
            }
        };
        if let Some(seconds) = retry_after {
            problem.body["status"] = code.into();
            problem.body["retry_after"] = seconds.into();
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(format!("{}\n", self.body)));
        let status = StatusCode::from_u16(self.status);
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}
