//! The HTTP API. `openapi.json` says what it is; every error is a problem document (RFC 9457) in our
//! own words.

mod ask;
mod caller;
mod cors;
mod health;
mod incoming;
mod json;
mod operator;
mod ops;
mod patience;
mod problem;
mod rating;
mod renders;
mod reply;
#[cfg(test)]
mod tests;
mod upload;
mod view;

use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;
use tryon_core::stages::{HealthCache, Ops, Router};

pub use self::cors::HttpConfig;
use self::{
    health::HealthView, incoming::Incoming, ops::OpsResource, problem::Problem, reply::Reply,
};
use crate::handler::HandlerError;

/// The document that describes this API.
pub const OPENAPI: &str = include_str!("../../openapi.json");
/// Longest request body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1_024;
/// Longest name of a user, in bytes.
const MAX_USER_BYTES: usize = 256;
/// Longest idempotency key or request id, in bytes.
const MAX_TOKEN_BYTES: usize = 128;
/// Renders on one page.
const DEFAULT_PAGE: usize = 20;
const MAX_PAGE: usize = 100;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const REQUEST_ID: &str = "x-request-id";

/// The router stage behind its HTTP API.
#[derive(Debug)]
pub(crate) struct Api {
    stage: Arc<Router>,
    ops: Option<Arc<Ops>>,
    health: HealthCache,
    config: HttpConfig,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug)]
enum Resource<'a> {
    Uploads,
    Renders,
    Render(&'a str),
    Rating(&'a str),
    Health,
    Document,
    Ops(OpsResource<'a>),
}

impl<'a> Resource<'a> {
    fn at(path: &'a str) -> Option<Self> {
        match path.strip_prefix("/v1/")? {
            "uploads" => Some(Self::Uploads),
            "renders" => Some(Self::Renders),
            "health" => Some(Self::Health),
            "openapi.json" => Some(Self::Document),
            below => {
                if let Some(below) = below.strip_prefix("ops/") {
                    return OpsResource::at(below).map(Self::Ops);
                }
                let id = below.strip_prefix("renders/")?;
                match id.split_once('/') {
                    None => Some(Self::Render(id)),
                    Some((id, "rating")) => Some(Self::Rating(id)),
                    Some(_) => None,
                }
            }
        }
    }

    const fn methods(self) -> &'static str {
        match self {
            Self::Uploads | Self::Rating(_) => "POST",
            Self::Renders => "GET, POST",
            Self::Render(_) | Self::Health | Self::Document => "GET",
            Self::Ops(resource) => resource.methods(),
        }
    }
}

impl Api {
    pub(crate) fn new(stage: Arc<Router>, config: HttpConfig) -> Self {
        Self { stage, ops: None, health: HealthCache::default(), config }
    }

    /// The same with routes for operators.
    pub(crate) fn with_ops(self, ops: Arc<Ops>) -> Self {
        Self { ops: Some(ops), ..self }
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, event: Value) -> Result<Value, HandlerError> {
        let request = Incoming::read(event)?;
        let request_id = ask::request_id(&request);
        let reply = match self.reply(&request).await {
            Ok(reply) => reply,
            Err(problem) => Reply::of_problem(&problem, &request_id),
        };
        let reply = reply.with(self.config.headers(&request));
        let status = reply.status.as_u16();
        tracing::info!(http_request_id = request_id, status, "answered");
        Ok(reply.into_response(request.version, request_id))
    }

    async fn reply(&self, request: &Incoming) -> Result<Reply, Problem> {
        let nothing = || Problem::not_found("there is nothing at this path");
        let resource = Resource::at(&request.path).ok_or_else(nothing)?;
        match (resource, request.method.as_str()) {
            (Resource::Uploads, "POST") => upload::create(request, &self.stage).await,
            (Resource::Renders, "POST") => renders::create(request, &self.stage).await,
            (Resource::Renders, "GET") => renders::list(request, &self.stage).await,
            (Resource::Render(id), "GET") => renders::read(request, id, &self.stage).await,
            (Resource::Rating(id), "POST") => rating::create(request, id, &self.stage).await,
            (Resource::Health, "GET") => {
                let health = self.health.health(&self.stage).await?;
                Reply::json(StatusCode::OK, &HealthView::from(&health))
            }
            (Resource::Document, "GET") => Ok(Reply::document(OPENAPI)),
            // No page calls these, so that no preflight is answered for them.
            (Resource::Ops(resource), _) => {
                let ops = self.ops.as_deref().ok_or_else(nothing)?;
                ops::reply(request, resource, ops, &self.config.ops_principals).await
            }
            (_, "OPTIONS") if self.config.answers_preflights() => {
                Ok(Reply::empty(StatusCode::NO_CONTENT).with(cors::preflight(resource.methods())))
            }
            _ => Err(Problem::method(resource.methods())),
        }
    }
}
