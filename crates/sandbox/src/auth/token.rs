use std::sync::Arc;

use axum::{
    body::to_bytes,
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use serde_json::json;

use super::{
    assertion::{self, Refusal},
    client_email,
};
use crate::{
    app::App,
    faults::{Call, CallKind, Fault},
    lots,
    rpc::{ApiError, ok, reply},
    web,
};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const MAX_FORM: usize = 64 << 10;

/// `POST /token`: a signed assertion for an access token.
pub(crate) async fn token(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let address = format!("{}{}", web::base(&parts.uri, &parts.headers), parts.uri.path());
    let body = to_bytes(body, MAX_FORM).await.unwrap_or_default();
    let about = lots::hash(&[&body]);
    let form = String::from_utf8_lossy(&body);
    let key = web::field(&form, "assertion").and_then(|it| assertion::key_id(&it));
    let call = Call { key: key.as_deref(), ..Call::new(CallKind::Token, &about) };
    app.run(&call, async |fault| {
        Ok::<_, ApiError>(match fault {
            Some(Fault::RefuseGrant { error, description }) => {
                oauth_error(400, &error, &description)
            }
            _ => exchange(&app, &form, &address),
        })
    })
    .await
}

fn exchange(app: &App, form: &str, address: &str) -> Response {
    if web::field(form, "grant_type").as_deref() != Some(GRANT_TYPE) {
        return oauth_error(400, "unsupported_grant_type", "Invalid grant_type.");
    }
    let now = app.now();
    let email = client_email(&app.config.project);
    let claims = web::field(form, "assertion")
        .ok_or(Refusal::Unreadable)
        .and_then(|assertion| assertion::check(&assertion, &email, address, now));
    match claims {
        Err(refusal) => {
            let (error, description) = refusal.words();
            oauth_error(400, error, description)
        }
        Ok(claims) => {
            let life = app.config.token_life;
            let token = app.tokens.issue(app.config.seed, claims.scope, now, life);
            let seconds = life.as_secs();
            ok(&json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"}))
        }
    }
}

fn oauth_error(code: u16, error: &str, description: &str) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply(status, &json!({"error": error, "error_description": description}))
}

/// An error of the token endpoint itself, not of what it was sent.
pub(crate) fn unavailable(code: u16) -> Response {
    oauth_error(code, if code == 500 { "internal_failure" } else { "server_error" }, "Try later.")
}
