//! What a request asks.

use std::borrow::Cow;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tryon_core::ids::RenderId;

use super::{
    DEFAULT_PAGE, IDEMPOTENCY_KEY, MAX_BODY_BYTES, MAX_PAGE, MAX_TOKEN_BYTES, REQUEST_ID,
    incoming::Incoming, json, problem::Problem,
};

/// The caller's own id of this request where it has one, else the gateway's.
pub(super) fn request_id(request: &Incoming) -> String {
    let own = request.header(REQUEST_ID).filter(|id| is_token(id)).map(str::to_owned);
    own.or_else(|| request.gateway_id.clone()).unwrap_or_default()
}

pub(super) fn idempotency_key(request: &Incoming) -> Result<String, Problem> {
    let key = request.header(IDEMPOTENCY_KEY).filter(|key| is_token(key)).ok_or_else(|| {
        let fix = format!(
            "send a header of 1 to {MAX_TOKEN_BYTES} visible ASCII characters, new for each render"
        );
        Problem::field(IDEMPOTENCY_KEY, fix)
    })?;
    Ok(key.to_owned())
}

/// A body's fields, and the user that it names.
pub(super) fn body<T: DeserializeOwned>(
    request: &Incoming,
) -> Result<(T, Option<String>), Problem> {
    let content_type = request.header("content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::content_type());
    }
    let mut fields = json::object(&bytes(request)?)?;
    let named = match fields.remove("user_id") {
        None => None,
        Some(Value::String(user)) => Some(user),
        Some(_) => return Err(Problem::field("user_id", "give a string")),
    };
    Ok((json::fields(fields)?, named))
}

fn bytes(request: &Incoming) -> Result<Cow<'_, [u8]>, Problem> {
    let text = request.body.as_str();
    let most = if request.is_base64 { MAX_BODY_BYTES.div_ceil(3) * 4 } else { MAX_BODY_BYTES };
    if text.len() > most {
        return Err(Problem::too_large(MAX_BODY_BYTES));
    }
    if !request.is_base64 {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let bytes = STANDARD.decode(text).map_err(|_| Problem::unreadable("the body is no base64"))?;
    if bytes.len() > MAX_BODY_BYTES {
        return Err(Problem::too_large(MAX_BODY_BYTES));
    }
    Ok(Cow::Owned(bytes))
}

/// The value that a query gives `name`; one at most.
pub(super) fn queried<'a>(
    request: &'a Incoming,
    name: &'static str,
) -> Result<Option<&'a str>, Problem> {
    let mut values = request.queried(name);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Problem::field(name, "give it once")),
        (value, None) => Ok(value),
    }
}

/// How many renders a page may hold.
pub(super) fn page(request: &Incoming) -> Result<usize, Problem> {
    let Some(text) = queried(request, "limit")? else { return Ok(DEFAULT_PAGE) };
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text.parse().ok().filter(|limit| plain && (1..=MAX_PAGE).contains(limit));
    limit.ok_or_else(|| Problem::field("limit", format!("give a whole number, 1 to {MAX_PAGE}")))
}

/// Where a page begins: after the render that the cursor holds.
pub(super) fn cursor(request: &Incoming) -> Result<Option<RenderId>, Problem> {
    let Some(text) = queried(request, "cursor")? else { return Ok(None) };
    let id = URL_SAFE_NO_PAD.decode(text).ok().and_then(|id| String::from_utf8(id).ok());
    let id = id.as_deref().and_then(render_id);
    let fix = "give the next_cursor of the page before";
    Ok(Some(id.ok_or_else(|| Problem::field("cursor", fix))?))
}

pub(super) fn cursor_of(id: &RenderId) -> String {
    URL_SAFE_NO_PAD.encode(id.as_str())
}

/// A render's id is a UUID in lower case.
pub(super) fn render_id(text: &str) -> Option<RenderId> {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    let is_id = text.len() == 36 && text.bytes().enumerate().all(fits);
    is_id.then(|| RenderId::from(text))
}

/// Visible ASCII characters.
fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
