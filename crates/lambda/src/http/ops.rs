//! `/v1/ops/..`: what operators see and do. The bodies are the reports of `tryon_core::ops`.

use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tryon_core::{
    gates::Gate,
    ids::UserId,
    ops::{BatchLine, Wish},
    ports::QueueName,
    routing::Percent,
    stages::{NewWaiver, Ops, OpsError},
};

use super::{
    ask, caller::is_user, incoming::Incoming, operator::operator, problem::Problem, reply::Reply,
};

/// What can be asked for below `/v1/ops/`.
#[derive(Clone, Copy, Debug)]
pub(super) enum OpsResource<'a> {
    Status,
    Traffic,
    Budget,
    Batches,
    Render(&'a str),
    Gates,
    Waivers,
    Redrive,
    Forget,
}

impl<'a> OpsResource<'a> {
    pub(super) fn at(below: &'a str) -> Option<Self> {
        Some(match below {
            "status" => Self::Status,
            "traffic" => Self::Traffic,
            "budget" => Self::Budget,
            "batches" => Self::Batches,
            "gates" => Self::Gates,
            "waivers" => Self::Waivers,
            "redrive" => Self::Redrive,
            "forget" => Self::Forget,
            _ => {
                let id = below.strip_prefix("renders/")?;
                return (!id.contains('/')).then_some(Self::Render(id));
            }
        })
    }

    pub(super) const fn methods(self) -> &'static str {
        match self {
            Self::Traffic => "GET, PUT",
            Self::Waivers | Self::Redrive | Self::Forget => "POST",
            Self::Status | Self::Budget | Self::Batches | Self::Render(_) | Self::Gates => "GET",
        }
    }
}

/// A body that has nothing but a user.
#[derive(Debug, Deserialize)]
struct Nothing {}

#[derive(Debug, Deserialize)]
struct TrafficRequest {
    /// As text, or as a number.
    percent: Value,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    force: bool,
}

#[derive(Debug, Deserialize)]
struct WaiverRequest {
    gate: Gate,
    reason: String,
    until: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
struct RedriveRequest {
    queue: String,
}

#[derive(Debug, Serialize)]
struct BatchesView {
    batches: Vec<BatchLine>,
}

#[derive(Debug, Serialize)]
struct RedriveView {
    queue: &'static str,
    messages: u64,
}

/// Answers an operator; none where the resource has no such method.
pub(super) async fn reply(
    request: &Incoming,
    resource: OpsResource<'_>,
    ops: &Ops,
    principals: &[String],
) -> Result<Reply, Problem> {
    let actor = operator(request, principals)?;
    let ok = StatusCode::OK;
    match (resource, request.method.as_str()) {
        (OpsResource::Status, "GET") => Reply::json(ok, &ops.status().await?),
        (OpsResource::Traffic, "GET") => Reply::json(ok, &ops.traffic().await?),
        (OpsResource::Traffic, "PUT") => {
            let wish = wish(ask::body(request)?.0)?;
            Reply::json(ok, &ops.set_traffic(actor, &wish).await?)
        }
        (OpsResource::Budget, "GET") => Reply::json(ok, &ops.budget().await?),
        (OpsResource::Batches, "GET") => {
            Reply::json(ok, &BatchesView { batches: ops.batches().await? })
        }
        (OpsResource::Render(id), "GET") => {
            let unknown = || Problem::not_found("there is no such render");
            let id = ask::render_id(id).ok_or_else(unknown)?;
            Reply::json(ok, &ops.explain(&id).await?.ok_or_else(unknown)?)
        }
        (OpsResource::Gates, "GET") => Reply::json(ok, &ops.rollout().await?),
        (OpsResource::Waivers, "POST") => {
            let WaiverRequest { gate, reason, until } = ask::body(request)?.0;
            let waiver = ops.waive(actor, &NewWaiver { gate, reason, until }).await?;
            Reply::json(StatusCode::CREATED, &waiver)
        }
        (OpsResource::Redrive, "POST") => {
            let queue = queue(&ask::body::<RedriveRequest>(request)?.0.queue)?;
            let messages = ops.redrive(actor, queue).await?;
            let view = RedriveView { queue: queue.as_str(), messages };
            Reply::json(StatusCode::ACCEPTED, &view)
        }
        (OpsResource::Forget, "POST") => {
            let (Nothing {}, user) = ask::body(request)?;
            let user = user.filter(|user| is_user(user));
            let user = user.ok_or_else(|| Problem::field("user_id", "name the user to forget"))?;
            Reply::json(ok, &ops.forget(actor, &UserId::new(user)).await?)
        }
        _ => Err(Problem::method(resource.methods())),
    }
}

fn wish(body: TrafficRequest) -> Result<Wish, Problem> {
    let TrafficRequest { percent, reason, force } = body;
    let text = match percent {
        Value::String(text) => text,
        number => number.to_string(),
    };
    let percent: Percent =
        text.parse().map_err(|error| Problem::field("percent", format!("{error}")))?;
    Ok(Wish { percent, reason, force })
}

fn queue(name: &str) -> Result<QueueName, Problem> {
    let short = |queue: QueueName| queue.as_str().trim_end_matches(".fifo");
    let found =
        QueueName::ALL.into_iter().find(|queue| [queue.as_str(), short(*queue)].contains(&name));
    found.ok_or_else(|| {
        let names = QueueName::ALL.map(short).join(", ");
        Problem::field("queue", format!("give one of {names}"))
    })
}

impl From<OpsError> for Problem {
    fn from(error: OpsError) -> Self {
        use tryon_core::{audit::AuditError, gates::WaiverError, ops::Refusal};
        let text = error.to_string();
        match error {
            OpsError::Refused(Refusal::Gate(_)) => Self::gate_fails(text),
            OpsError::Refused(Refusal::Reason)
            | OpsError::Waiver(WaiverError::Reason)
            | OpsError::Audit(AuditError::Reason) => Self::field("reason", text),
            OpsError::Waiver(WaiverError::Expiry) => Self::field("until", text),
            OpsError::Audit(AuditError::Evidence) => super::problem::unavailable(&text),
            OpsError::Port(error) => error.into(),
        }
    }
}
