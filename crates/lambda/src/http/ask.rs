//! What a request asks, and for whom.

use std::borrow::Cow;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest as Request;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};
use tryon_core::{ids::UserId, request::RenderRequest};

use super::{MAX_BODY_BYTES, REQUEST_ID, json, problem::Problem};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const MAX_USER_BYTES: usize = 256;

/// The caller's own id of this request where it has one, else the gateway's.
pub(super) fn request_id(request: &Request) -> String {
    let own = request.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let own = own.filter(|id| is_token(id)).map(str::to_owned);
    own.or_else(|| request.request_context.request_id.clone()).unwrap_or_default()
}

/// The path below the stage's name, which the gateway leaves in front unless it is the default one.
pub(super) fn path(request: &Request) -> &str {
    let path = request.raw_path.as_deref().unwrap_or_default();
    let stage = request.request_context.stage.as_deref().unwrap_or_default();
    let below = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage));
    below.filter(|rest| !stage.is_empty() && rest.starts_with('/')).unwrap_or(path)
}

pub(super) fn idempotency_key(request: &Request) -> Result<String, Problem> {
    let key = request.headers.get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok());
    let fix = "send a header of 1 to 128 visible ASCII characters, new for each render";
    let key =
        key.filter(|key| is_token(key)).ok_or_else(|| Problem::field(IDEMPOTENCY_KEY, fix))?;
    Ok(key.to_owned())
}

/// A token's subject, where a token was checked; or the user whom a trusted backend names, which has
/// signed its request (IAM). Nobody else is believed, so that a route deployed without its authorizer
/// is closed, not open.
pub(super) fn caller(request: &Request, named: Option<String>) -> Result<UserId, Problem> {
    let authorizer = request.request_context.authorizer.as_ref().ok_or_else(Problem::no_caller)?;
    if let Some(jwt) = &authorizer.jwt {
        let subject = jwt.claims.get("sub").filter(|subject| is_user(subject));
        return subject
            .map(|subject| UserId::from(subject.as_str()))
            .ok_or_else(Problem::no_caller);
    }
    if authorizer.iam.is_none() {
        return Err(Problem::no_caller());
    }
    let fix = format!("name the user in 1 to {MAX_USER_BYTES} bytes without control characters");
    let named = named.filter(|user| is_user(user));
    named.map(UserId::new).ok_or_else(|| Problem::field("user_id", fix))
}

/// The user that a query names, if it names one and only one. The gateway's own reading of a query
/// splits values at commas.
pub(super) fn named_in_query(request: &Request) -> Option<String> {
    let query = request.raw_query_string.as_deref().unwrap_or_default();
    let mut users = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "user_id");
    let user = users.next().map(|(_, user)| user.into_owned());
    user.filter(|_| users.next().is_none())
}

fn is_user(text: &str) -> bool {
    (1..=MAX_USER_BYTES).contains(&text.len()) && text.chars().all(is_storable)
}

/// Databases refuse the first kind, queues the last two characters.
fn is_storable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// The body's render, and the user it names.
pub(super) fn render(
    request: &Request,
) -> Result<(RenderRequest<String>, Option<String>), Problem> {
    let content_type = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::content_type());
    }
    let mut fields: Map<String, Value> = json::object(&body(request)?)?;
    let named = match fields.remove("user_id") {
        None => None,
        Some(Value::String(user)) => Some(user),
        Some(_) => return Err(Problem::field("user_id", "give a string")),
    };
    Ok((json::fields(fields)?, named))
}

fn body(request: &Request) -> Result<Cow<'_, [u8]>, Problem> {
    let text = request.body.as_deref().unwrap_or_default();
    let most =
        if request.is_base64_encoded { MAX_BODY_BYTES.div_ceil(3) * 4 } else { MAX_BODY_BYTES };
    if text.len() > most {
        return Err(Problem::too_large(MAX_BODY_BYTES));
    }
    if !request.is_base64_encoded {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let bytes = STANDARD.decode(text).map_err(|_| Problem::unreadable("the body is no base64"))?;
    if bytes.len() > MAX_BODY_BYTES {
        return Err(Problem::too_large(MAX_BODY_BYTES));
    }
    Ok(Cow::Owned(bytes))
}

/// 1 to 128 visible ASCII characters.
fn is_token(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
