use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use serde_json::json;

/// What stands in front of the functions refuses by itself: a problem document of our form, with the
/// `message` that API Gateway gives.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    message: &'static str,
    name: &'static str,
    detail: &'static str,
    header: Option<(HeaderName, HeaderValue)>,
    request_id: Option<String>,
}

impl Problem {
    const fn new(
        status: StatusCode,
        message: &'static str,
        name: &'static str,
        detail: &'static str,
    ) -> Self {
        Self { status, message, name, detail, header: None, request_id: None }
    }

    /// The same, with the id by which the request is known.
    pub(super) fn of_request(self, request_id: String) -> Self {
        Self { request_id: Some(request_id), ..self }
    }

    pub(super) fn unauthorized() -> Self {
        let detail = "send Authorization: Bearer with a valid token";
        let header = (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        let problem = Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "no-caller", detail);
        Self { header: Some(header), ..problem }
    }

    pub(super) const fn too_large() -> Self {
        let detail = "send at most 10 MB";
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Self::new(status, "Request Entity Too Large", "body-too-large", detail)
    }

    pub(super) const fn failed() -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "Internal Server Error", "failed", "the function failed")
    }

    pub(super) const fn timed_out() -> Self {
        let detail = "the function did not answer in 30 s";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable", "unavailable", detail)
    }

    /// The store of pictures does not let this pass.
    pub(super) const fn forbidden(detail: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", "forbidden", detail)
    }

    pub(super) const fn no_picture() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found", "not-found", "there is no such picture")
    }

    pub(super) fn method() -> Self {
        let detail = "use GET or PUT, as the address was signed";
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let header = (ALLOW, HeaderValue::from_static("GET, PUT"));
        let problem = Self::new(status, "Method Not Allowed", "method", detail);
        Self { header: Some(header), ..problem }
    }

    pub(super) const fn no_length() -> Self {
        let detail = "send content-length as signed";
        Self::new(StatusCode::LENGTH_REQUIRED, "Length Required", "no-length", detail)
    }

    pub(super) const fn incomplete() -> Self {
        let detail = "the body has not the length that was announced";
        Self::new(StatusCode::BAD_REQUEST, "Bad Request", "incomplete-body", detail)
    }

    pub(super) const fn exists() -> Self {
        let detail = "an upload is never replaced; ask for a new one";
        Self::new(StatusCode::PRECONDITION_FAILED, "Precondition Failed", "exists", detail)
    }

    pub(super) const fn unavailable() -> Self {
        let detail = "try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable", "unavailable", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut document = json!({
            "type": format!("urn:tryon:problem:{}", self.name),
            "title": self.message,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "message": self.message,
        });
        if let Some(id) = self.request_id {
            document["request_id"] = json!(id);
        }
        let mut response = Response::new(Body::from(document.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.header);
        response
    }
}
