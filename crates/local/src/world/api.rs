//! Requests to the router, as API Gateway hands them on.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tryon_core::{render::Render, stages::Invocation};

use super::{TIMEOUT, World};

const ACCOUNT: &str = "000000000000";
/// The operator of a local run.
pub(super) const OPERATOR: &str = "arn:aws:iam::000000000000:role/ops";

/// An answer that is not what was asked for, from its problem document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: u64,
    pub field: Option<String>,
    pub detail: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let field = self.field.as_deref().unwrap_or("the request");
        write!(f, "{} for {field}: {}", self.status, self.detail)
    }
}

impl std::error::Error for Refused {}

impl World {
    /// Posts a render and returns its id; an answer other than 202 is an error with its status.
    pub async fn accept(&self, body: &Value, idempotency_key: &str) -> Result<String> {
        let view = self.ask(post_renders(body, idempotency_key), 202).await?;
        let id = view["render_id"].as_str().context("the answer names no render")?;
        Ok(id.to_owned())
    }

    /// Rates a render in its user's name.
    pub async fn rate(&self, render: &Render, rating: u8) -> Result<()> {
        let path = format!("/v1/renders/{}/rating", render.id);
        let body = json!({"user_id": render.user_id, "rating": rating});
        self.ask(post(&path, &body, render.id.as_str()), 200).await.map(drop)
    }

    /// What an operator is answered, with the status.
    pub async fn ops(&self, method: &str, path: &str, body: &Value) -> Result<(u64, Value)> {
        let path = format!("/v1/ops/{path}");
        let body = (!body.is_null()).then(|| Text::Plain(body.to_string()));
        self.call(ApiCall { method, body, caller: Caller::Operator, ..plain(&path) }.event()).await
    }

    async fn call(&self, event: Value) -> Result<(u64, Value)> {
        let time = TimeDelta::from_std(TIMEOUT)?;
        let invocation = Invocation { deadline: self.clock.now() + time };
        let answer = self.functions.router.call(event, invocation).await?;
        let text = answer["body"].as_str().unwrap_or_default();
        let status = answer["statusCode"].as_u64().unwrap_or_default();
        Ok((status, serde_json::from_str(text)?))
    }

    /// What the router answers, where its status is this one.
    async fn ask(&self, event: Value, expected: u64) -> Result<Value> {
        let (status, view) = self.call(event).await?;
        if status != expected {
            bail!(Refused {
                status,
                field: view["field"].as_str().map(str::to_owned),
                detail: view["detail"].as_str().unwrap_or_default().to_owned(),
            });
        }
        Ok(view)
    }
}

/// `POST /v1/renders` by a trusted backend.
pub fn post_renders(body: &Value, idempotency_key: &str) -> Value {
    post("/v1/renders", body, idempotency_key)
}

/// A post by a trusted backend.
fn post(path: &str, body: &Value, key: &str) -> Value {
    let mut call = ApiCall {
        method: "POST",
        body: Some(Text::Plain(body.to_string())),
        request_id: key,
        ..plain(path)
    };
    call.headers.insert("idempotency-key".to_owned(), key.to_owned());
    call.event()
}

/// A read by a trusted backend.
fn plain(path: &str) -> ApiCall<'_> {
    let headers =
        [("content-type", "application/json"), ("host", "localhost"), ("user-agent", "tryon")];
    ApiCall {
        method: "GET",
        path,
        query: "",
        protocol: "HTTP/1.1",
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        cookies: Vec::new(),
        body: None,
        request_id: "",
        at: DateTime::UNIX_EPOCH,
        caller: Caller::Backend,
    }
}

/// A request as API Gateway sees it.
pub(crate) struct ApiCall<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) protocol: &'a str,
    /// By their names in lower case, without cookies.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) cookies: Vec<String>,
    pub(crate) body: Option<Text>,
    pub(crate) request_id: &'a str,
    pub(crate) at: DateTime<Utc>,
    pub(crate) caller: Caller,
}

/// A body as an event carries it.
pub(crate) enum Text {
    Plain(String),
    Base64(String),
}

/// Whom the authorizer of a route has found.
pub(crate) enum Caller {
    /// The route has no authorizer.
    Nobody,
    /// A trusted backend, which signs its requests (IAM).
    Backend,
    /// An operator, who does so, too.
    Operator,
    /// The claims of a token, and its scopes.
    Token { claims: BTreeMap<String, String>, scopes: Option<Vec<String>> },
}

impl ApiCall<'_> {
    /// The event that the function gets (payload v2). What is empty is left out, as API Gateway does.
    pub(crate) fn event(self) -> Value {
        let header = |name: &str| self.headers.get(name).map(String::as_str).unwrap_or_default();
        let domain = header("host").rsplit_once(':').map_or(header("host"), |(name, _)| name);
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self.path,
            "rawQueryString": self.query,
            "requestContext": {
                "accountId": ACCOUNT,
                "apiId": "local",
                "domainName": domain,
                "domainPrefix": "local",
                "http": {
                    "method": self.method,
                    "path": self.path,
                    "protocol": self.protocol,
                    // Nobody else can reach a local run.
                    "sourceIp": "127.0.0.1",
                    "userAgent": header("user-agent"),
                },
                "requestId": self.request_id,
                "routeKey": "$default",
                "stage": "$default",
                "time": self.at.format("%d/%b/%Y:%H:%M:%S %z").to_string(),
                "timeEpoch": self.at.timestamp_millis(),
            },
            "isBase64Encoded": matches!(self.body, Some(Text::Base64(_))),
        });
        event["headers"] = json!(self.headers);
        if !self.cookies.is_empty() {
            event["cookies"] = json!(self.cookies);
        }
        if !self.query.is_empty() {
            event["queryStringParameters"] = json!(parameters(self.query));
        }
        if let Some(Text::Plain(text) | Text::Base64(text)) = self.body {
            event["body"] = Value::String(text);
        }
        if let Some(authorizer) = self.caller.authorizer() {
            event["requestContext"]["authorizer"] = authorizer;
        }
        event
    }
}

impl Caller {
    fn authorizer(self) -> Option<Value> {
        match self {
            Self::Nobody => None,
            Self::Backend => Some(signed_by(&format!("arn:aws:iam::{ACCOUNT}:role/shop"))),
            Self::Operator => Some(signed_by(OPERATOR)),
            Self::Token { claims, scopes } => {
                Some(json!({"jwt": {"claims": claims, "scopes": scopes}}))
            }
        }
    }
}

fn signed_by(arn: &str) -> Value {
    json!({"iam": {
        "accessKey": "local",
        "accountId": ACCOUNT,
        "callerId": "local",
        "userArn": arn,
        "userId": "local",
    }})
}

/// What a query asks; values of one name joined by commas.
fn parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        parameters
            .entry(name.into_owned())
            .and_modify(|values: &mut String| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    parameters
}
