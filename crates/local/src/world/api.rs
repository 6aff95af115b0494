//! Requests to the router, as API Gateway hands them on.

use anyhow::{Context, Result, bail};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tryon_core::stages::Invocation;

use super::{TIMEOUT, World};

impl World {
    /// Posts a render and returns its id; an answer other than 202 is an error with its status.
    pub async fn accept(&self, body: &Value, idempotency_key: &str) -> Result<String> {
        let event = post_renders(body, idempotency_key);
        let time = TimeDelta::from_std(TIMEOUT)?;
        let invocation = Invocation { deadline: self.clock.now() + time };
        let answer = self.functions.router.call(event, invocation).await?;
        let text = answer["body"].as_str().unwrap_or_default();
        if answer["statusCode"] != 202 {
            bail!("POST /v1/renders answered {}: {text}", answer["statusCode"]);
        }
        let view: Value = serde_json::from_str(text)?;
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
