use std::borrow::Cow;

use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    REQUEST_ID,
    incoming::Version,
    problem::{Problem, unavailable},
};

/// A header by its lower-case name.
pub(super) type Header = (&'static str, String);

/// An answer before it has the shape of its request's version.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    body: Option<(&'static str, Cow<'static, str>)>,
    headers: Vec<Header>,
}

impl Reply {
    pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(|_| unavailable("answer not written"))?;
        Ok(Self { body: Some(("application/json", body.into())), ..Self::empty(status) })
    }

    /// A JSON text that never changes.
    pub(super) fn document(text: &'static str) -> Self {
        Self { body: Some(("application/json", text.into())), ..Self::empty(StatusCode::OK) }
    }

    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, body: None, headers: Vec::new() }
    }

    pub(super) fn of_problem(problem: &Problem, request_id: &str) -> Self {
        let body = problem.document(request_id).to_string();
        Self {
            status: problem.status(),
            body: Some(("application/problem+json", body.into())),
            headers: problem.header().into_iter().collect(),
        }
    }

    #[must_use]
    pub(super) fn with(mut self, headers: impl IntoIterator<Item = Header>) -> Self {
        self.headers.extend(headers);
        self
    }

    pub(super) fn into_response(self, version: Version, request_id: String) -> Value {
        let mut headers = Map::new();
        headers.insert("cache-control".to_owned(), "no-store".into());
        if !request_id.is_empty() {
            headers.insert(REQUEST_ID.to_owned(), request_id.into());
        }
        let (content_type, body) = self.body.unwrap_or_default();
        if !content_type.is_empty() {
            headers.insert("content-type".to_owned(), content_type.into());
        }
        let others = self.headers.into_iter();
        headers.extend(others.map(|(name, value)| (name.to_owned(), value.into())));
        let mut response = json!({"statusCode": self.status.as_u16(), "isBase64Encoded": false});
        response["headers"] = headers.into();
        response["body"] = body.into_owned().into();
        match version {
            Version::One => response["multiValueHeaders"] = json!({}),
            Version::Two => response["cookies"] = json!([]),
        }
        response
    }
}
