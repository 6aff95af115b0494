//! Google's error bodies, and JSON answers.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde_json::{Value, json};

/// A call's refusal as Google words it: HTTP code, RPC status, message, details.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) code: u16,
    pub(crate) message: String,
    details: Vec<Value>,
}

impl ApiError {
    pub(crate) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub(crate) fn json(error: &serde_json::Error) -> Self {
        Self::invalid(format!("Invalid JSON payload received: {error}"))
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(404, format!("{what} is not found, or is not supported here."))
    }

    /// `reason` as machines read it, such as `API_KEY_INVALID`.
    pub(crate) fn because(mut self, reason: &str, service: &str) -> Self {
        self.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "googleapis.com",
            "metadata": {"service": service},
        }));
        self
    }

    pub(crate) fn localized(mut self) -> Self {
        self.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
            "locale": "en-US",
            "message": self.message,
        }));
        self
    }

    /// Asks the caller to wait.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{seconds}s"),
        }));
        self
    }

    /// The name of the RPC status that goes with the HTTP code.
    pub(crate) fn status(&self) -> &'static str {
        rpc(self.code).0
    }

    /// As it stands in a batch row: RPC number, not HTTP code.
    pub(crate) fn row(&self) -> Value {
        json!({"code": rpc(self.code).1, "message": self.message})
    }
}

const fn rpc(http: u16) -> (&'static str, i32) {
    match http {
        400 => ("INVALID_ARGUMENT", 3),
        401 => ("UNAUTHENTICATED", 16),
        403 => ("PERMISSION_DENIED", 7),
        404 => ("NOT_FOUND", 5),
        409 => ("ABORTED", 10),
        412 => ("FAILED_PRECONDITION", 9),
        429 => ("RESOURCE_EXHAUSTED", 8),
        499 => ("CANCELLED", 1),
        500 => ("INTERNAL", 13),
        503 => ("UNAVAILABLE", 14),
        504 => ("DEADLINE_EXCEEDED", 4),
        _ => ("UNKNOWN", 2),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut error =
            json!({"code": self.code, "message": self.message, "status": self.status()});
        if !self.details.is_empty() {
            error["details"] = Value::Array(self.details);
        }
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        reply(status, &json!({"error": error}))
    }
}

/// A JSON answer.
pub(crate) fn reply(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

pub(crate) fn ok(body: &Value) -> Response {
    reply(StatusCode::OK, body)
}
