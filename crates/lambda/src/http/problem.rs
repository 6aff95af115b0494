use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{ALLOW, RETRY_AFTER},
};
use serde_json::{Value, json};

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
    NotFound,
    Method(&'static str),
    TooLarge,
    ContentType,
    Field,
    KeyReused,
    Closed,
    Unavailable,
}

impl Problem {
    fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), field: None }
    }

    pub(super) fn unreadable(detail: &str) -> Self {
        Self::new(Kind::Unreadable, detail)
    }

    pub(super) fn no_caller() -> Self {
        Self::new(Kind::NoCaller, "the token names no subject")
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

    pub(super) fn key_reused() -> Self {
        let detail = "this key was used with another body; take a new key for a new render";
        Self { field: Some("idempotency-key".to_owned()), ..Self::new(Kind::KeyReused, detail) }
    }

    pub(super) fn closed() -> Self {
        Self::new(Kind::Closed, "no renders are accepted for this user at present")
    }

    pub(super) fn unavailable() -> Self {
        Self::new(Kind::Unavailable, "try again with the same idempotency key")
    }

    pub(super) fn status(&self) -> StatusCode {
        self.kind.about().1
    }

    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self.kind {
            Kind::Method(allowed) => Some((ALLOW, HeaderValue::from_static(allowed))),
            Kind::Unavailable => Some((RETRY_AFTER, HeaderValue::from_static("2"))),
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

impl Kind {
    const fn about(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::Unreadable => {
                ("unreadable-body", StatusCode::BAD_REQUEST, "The body cannot be read")
            }
            Self::NoCaller => ("no-caller", StatusCode::UNAUTHORIZED, "The caller is unknown"),
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
            Self::Closed => ("closed", StatusCode::SERVICE_UNAVAILABLE, "Renders are closed"),
            Self::Unavailable => {
                ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "Not available for the moment")
            }
        }
    }
}
