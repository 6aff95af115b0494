//! Requests to the router, as API Gateway hands them on.

use anyhow::{Context, Result, bail};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tryon_core::stages::Invocation;

use super::{TIMEOUT, World};

/// An answer that is no 202, from its problem document.
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
        let event = post_renders(body, idempotency_key);
        let time = TimeDelta::from_std(TIMEOUT)?;
        let invocation = Invocation { deadline: self.clock.now() + time };
        let answer = self.functions.router.call(event, invocation).await?;
        let text = answer["body"].as_str().unwrap_or_default();
        let view: Value = serde_json::from_str(text)?;
        if answer["statusCode"] != 202 {
            bail!(Refused {
                status: answer["statusCode"].as_u64().unwrap_or_default(),
                field: view["field"].as_str().map(str::to_owned),
                detail: view["detail"].as_str().unwrap_or_default().to_owned(),
            });
        }
        let id = view["render_id"].as_str().context("the answer names no render")?;
        Ok(id.to_owned())
    }
}

/// `POST /v1/renders` by a trusted backend (payload v2, no authorizer claims).
pub fn post_renders(body: &Value, idempotency_key: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "POST /v1/renders",
        "rawPath": "/v1/renders",
        "rawQueryString": "",
        "headers": {
            "content-type": "application/json",
            "idempotency-key": idempotency_key,
            "host": "localhost",
        },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "authorizer": {"iam": {
                "accessKey": "local",
                "accountId": "000000000000",
                "callerId": "local",
                "userArn": "arn:aws:iam::000000000000:role/shop",
                "userId": "local",
            }},
            "domainName": "localhost",
            "domainPrefix": "local",
            "http": {
                "method": "POST",
                "path": "/v1/renders",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "tryon",
            },
            "requestId": idempotency_key,
            "routeKey": "POST /v1/renders",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 0,
        },
        "body": body.to_string(),
        "isBase64Encoded": false,
    })
}
