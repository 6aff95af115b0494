//! Calls of the ops routes, and what their refusals mean to whoever sits there.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{Method, Request, StatusCode, Uri, header};
use serde_json::Value;
use tryon_core::ports::{Body, Clock, HttpTransport, TransportError};
use tryon_lambda::environment::Environment;

use super::sign::{RENEW, Signer};
use crate::cli;

/// The gateway gives up after 30 s.
const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Debug)]
pub(super) struct Client {
    base: String,
    signer: Option<Signer>,
    transport: Arc<dyn HttpTransport>,
    clock: Arc<dyn Clock>,
}

impl Client {
    pub(super) fn new(
        args: &cli::Ops,
        environment: &Environment,
        transport: Arc<dyn HttpTransport>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let base = args.url.trim_end_matches('/').to_owned();
        let url: Uri = base.parse().with_context(|| format!("--url {base}"))?;
        if url.host().is_none() || !["http", "https"].contains(&url.scheme_str().unwrap_or("")) {
            bail!(
                "--url {base}: give a URL such as https://abc123.execute-api.us-east-1.amazonaws.com"
            );
        }
        let signer = Signer::new(&url, args.region.as_deref(), environment)?;
        Ok(Self { base, signer, transport, clock })
    }

    /// What the API answers below `/v1/ops/`; an error says what is to be done about it.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let text = body.map(Value::to_string).unwrap_or_default();
        let uri = format!("{}/v1/ops/{path}", self.base);
        let mut request = Request::builder().method(method).uri(&uri);
        request = request.header(header::USER_AGENT, concat!("tryon/", env!("CARGO_PKG_VERSION")));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let mut request = request.body(()).with_context(|| format!("{uri} is no address"))?;
        if let Some(signer) = &self.signer {
            signer.sign(&mut request, text.as_bytes(), self.clock.now().into())?;
        }
        let request = request.map(|()| Body::from(Bytes::from(text)));
        let answer = self.transport.send(request, PATIENCE).await;
        let answer = answer.map_err(|error| self.unreached(&error))?;
        let status = answer.status();
        let pieces = answer.into_body().try_collect::<Vec<Bytes>>().await;
        let pieces = pieces.context("the answer broke off")?;
        let answer: Value = serde_json::from_slice(&pieces.concat()).unwrap_or_default();
        if status.is_success() { Ok(answer) } else { Err(refusal(status, &answer)) }
    }

    fn unreached(&self, error: &TransportError) -> anyhow::Error {
        let base = &self.base;
        match error {
            TransportError::NotConnected(why) if self.signer.is_none() => {
                anyhow!("nobody answers at {base} ({why}): is `tryon serve` running there?")
            }
            TransportError::NotConnected(why) => {
                anyhow!("{base} cannot be reached ({why}): check --url and your network")
            }
            TransportError::NoAnswer(why) => {
                anyhow!(
                    "{base} did not answer ({why}); what was asked may have been done: look first"
                )
            }
        }
    }
}

/// What an answer that is no success says. The gateway's own refusals are no problem documents.
fn refusal(status: StatusCode, answer: &Value) -> anyhow::Error {
    let said = |name: &str| answer[name].as_str().unwrap_or_default();
    let (detail, field, message) = (said("detail"), said("field"), said("message"));
    match status {
        _ if !detail.is_empty() && !field.is_empty() => anyhow!("{status}: {field}: {detail}"),
        _ if !detail.is_empty() => anyhow!("{status}: {detail}"),
        StatusCode::FORBIDDEN if message.contains("expired") => {
            anyhow!("the AWS credentials have expired: {RENEW}")
        }
        StatusCode::FORBIDDEN => anyhow!(
            "{status}: {}: the credentials may be old ({RENEW}), or their holder lacks the stack's \
             policy OpsPolicyArn",
            if message.is_empty() { "refused" } else { message }
        ),
        StatusCode::NOT_FOUND => anyhow!("{status}: there are no ops routes at this --url"),
        _ if message.is_empty() => anyhow!("{status}"),
        _ => anyhow!("{status}: {message}"),
    }
}
