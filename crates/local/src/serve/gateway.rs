//! The front of the HTTP API, as API Gateway is: it knows who calls, turns requests into events, and
//! gives up on a function that does not answer.

use std::{fmt, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::any,
};
use chrono::TimeDelta;
use futures_util::future::{self, Either};
use http::{HeaderValue, Method, header::AUTHORIZATION};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, Any, CorsLayer};
use tryon_core::{
    memory::SeededRandom,
    ports::{Clock, Random},
    stages::Invocation,
};
use tryon_lambda::Handler;

use super::{
    pictures::{self, Pictures},
    problem::Problem,
    token::Tokens,
    wire,
};
use crate::world::{self, Caller, World};

/// What API Gateway takes.
const MAX_BODY_BYTES: usize = 10 * 1_024 * 1_024;
/// How long it waits for a function.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
/// Paths without an authorizer.
const OPEN: [&str; 2] = ["/v1/health", "/v1/openapi.json"];
/// Paths for operators.
const OPS: &str = "/v1/ops/";
/// How long a browser remembers what it may send.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

#[derive(Clone)]
pub(super) struct Gateway {
    pub(super) function: Arc<dyn Handler>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    /// None: every caller is a trusted backend.
    pub(super) tokens: Option<Arc<Tokens>>,
}

impl Gateway {
    pub(super) fn new(world: &World, tokens: Option<Arc<Tokens>>, seed: u64) -> Self {
        Self {
            function: world.functions.router.clone(),
            clock: world.clock.clone(),
            // Not the world's own numbers again.
            random: Arc::new(SeededRandom::new(!seed)),
            tokens,
        }
    }

    async fn answer(&self, request: Request, request_id: &str) -> Result<Response, Problem> {
        let (parts, body) = request.into_parts();
        let is_open = parts.method == Method::OPTIONS
            || parts.method == Method::GET && OPEN.contains(&parts.uri.path());
        let is_ops = parts.uri.path().starts_with(OPS);
        let is_bare = !parts.headers.contains_key(AUTHORIZATION);
        let caller = match &self.tokens {
            // As deployed, no token opens these; here nobody needs to sign.
            _ if is_ops && is_bare => Caller::Operator,
            Some(_) if is_ops => Caller::Nobody,
            None => Caller::Backend,
            Some(_) if is_open => Caller::Nobody,
            Some(tokens) => tokens.caller(&parts.headers).map_err(|_| Problem::unauthorized())?,
        };
        // Who breaks off in the midst of a body does not read this.
        let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| Problem::too_large())?;
        let now = self.clock.now();
        let event = wire::event(&parts, body, caller, request_id, now);
        let time = TimeDelta::from_std(world::TIMEOUT).unwrap_or(TimeDelta::MAX);
        let call = self.function.call(event, Invocation { deadline: now + time });
        match future::select(call, self.clock.sleep(TIMEOUT)).await {
            Either::Left((Ok(answer), _)) => wire::response(answer).ok_or_else(|| {
                tracing::error!(request_id, "the answer cannot be read");
                Problem::failed()
            }),
            Either::Left((Err(error), _)) => {
                tracing::error!(request_id, %error, "the function failed");
                Err(Problem::failed())
            }
            Either::Right(_) => Err(Problem::timed_out()),
        }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

/// The whole front: the API, the pictures, leave for browsers, and a log line a request.
pub(super) fn app(gateway: Gateway, pictures: Pictures, origins: &[String]) -> Result<Router> {
    let clock = gateway.clock.clone();
    let mut app = Router::new()
        .route(&format!("{}/{{*key}}", pictures::PATH), any(pictures::handle))
        .with_state(pictures)
        .fallback_service(Router::new().fallback(handle).with_state(gateway));
    if !origins.is_empty() {
        app = app.layer(cors(origins)?);
    }
    Ok(app.layer(from_fn_with_state(clock, log)))
}

async fn handle(State(gateway): State<Gateway>, request: Request) -> Response {
    let id = format!("{:016x}", gateway.random.next_u64());
    let answer = gateway.answer(request, &id).await;
    answer.unwrap_or_else(|problem| problem.of_request(id).into_response())
}

/// Browsers' questions are answered here, as API Gateway answers them; the function never sees them.
fn cors(origins: &[String]) -> Result<CorsLayer> {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let origins: Result<Vec<_>, _> = origins.iter().map(HeaderValue::try_from).collect();
        AllowOrigin::list(origins.context("--cors")?)
    };
    Ok(CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(Any)
        .max_age(PREFLIGHT_AGE))
}

async fn log(State(clock): State<Arc<dyn Clock>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), shown(request.uri().path()));
    let began = clock.now();
    let response = next.run(request).await;
    let ms = (clock.now() - began).num_milliseconds();
    tracing::info!(%method, path, status = response.status().as_u16(), ms, "request");
    response
}

/// What of a path may be logged: a signed address is a key, and a word of the caller's may be
/// anything.
fn shown(path: &str) -> String {
    if path.starts_with(pictures::PATH) {
        return format!("{}/..", pictures::PATH);
    }
    let is_ours = |b: u8| b.is_ascii_alphanumeric() || b"/-_.".contains(&b);
    let plain = path.starts_with("/v1/") && path.len() <= 128 && path.bytes().all(is_ours);
    if plain { path.to_owned() } else { "..".to_owned() }
}
