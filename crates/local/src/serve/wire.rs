//! An HTTP request as the event of a function, and its answer as an HTTP response.

use std::collections::BTreeMap;

use axum::{body::Body, response::Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use serde::Deserialize;
use serde_json::Value;

use crate::world::{ApiCall, Caller, Text};

/// The event of a request.
pub(super) fn event(
    parts: &Parts,
    body: Bytes,
    caller: Caller,
    request_id: &str,
    at: DateTime<Utc>,
) -> Value {
    let call = ApiCall {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        protocol: &format!("{:?}", parts.version),
        headers: headers(&parts.headers),
        cookies: cookies(&parts.headers),
        body: text(body),
        request_id,
        at,
        caller,
    };
    call.event()
}

/// Repeated headers are joined by commas; cookies travel apart.
fn headers(all: &HeaderMap) -> BTreeMap<String, String> {
    let names = all.keys().filter(|name| *name != header::COOKIE);
    let joined = names.map(|name| {
        let values = all.get_all(name).iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        (name.as_str().to_owned(), values.join(","))
    });
    joined.collect()
}

fn cookies(all: &HeaderMap) -> Vec<String> {
    let lines = all.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let cookies = lines.flat_map(|line| line.split(';')).map(str::trim);
    cookies.filter(|cookie| !cookie.is_empty()).map(str::to_owned).collect()
}

fn text(body: Bytes) -> Option<Text> {
    if body.is_empty() {
        return None;
    }
    Some(match String::from_utf8(body.into()) {
        Ok(text) => Text::Plain(text),
        Err(error) => Text::Base64(STANDARD.encode(error.as_bytes())),
    })
}

/// What a function answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// The response to an answer; none where the answer is of another form.
pub(super) fn response(answer: Value) -> Option<Response> {
    let answer: Answer = serde_json::from_value(answer).ok()?;
    let text = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded { STANDARD.decode(text).ok()? } else { text.into() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status_code).ok()?;
    let headers = response.headers_mut();
    for (name, value) in answer.headers {
        let name = HeaderName::try_from(name).ok()?;
        headers.insert(name, HeaderValue::try_from(value).ok()?);
    }
    for cookie in answer.cookies {
        headers.append(header::SET_COOKIE, HeaderValue::try_from(cookie).ok()?);
    }
    Some(response)
}
