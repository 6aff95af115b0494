//! The way to the API: the token, one renewal of it when refused, and answers read whole.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{HeaderMap, HeaderValue, Request, Response, header::AUTHORIZATION};
use tryon_core::{
    outcome::FailClass,
    polling::Allowance,
    ports::{Body, ByteStream, CallError, Clock, HttpTransport, Secret, SecretName, Secrets},
};

use super::errors::Refusal;
use crate::{
    errors::{Purpose, rejected, unreadable},
    read::whole,
};

/// The largest answer that is read, in bytes: a list of 100 predictions with their logs.
const MOST: usize = 32 << 20;

#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) transport: Arc<dyn HttpTransport>,
    pub(super) secrets: Arc<dyn Secrets>,
    pub(super) clock: Arc<dyn Clock>,
}

/// A good answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Bytes,
    /// How many more calls of its kind are taken.
    pub(super) allowance: Option<Allowance>,
}

/// Builds a request; called again when it has to be sent again.
pub(super) type Make<'a> = &'a (dyn Fn() -> http::Result<Request<Body>> + Sync);

impl Api {
    /// The whole of a good answer, within `timeout`.
    pub(super) async fn call(
        &self,
        purpose: Purpose,
        timeout: Duration,
        make: Make<'_>,
    ) -> Result<Answer, CallError> {
        let call = async {
            let response = self.answered(purpose, timeout, make).await?;
            let allowance = allowance(response.headers());
            let body = whole(response.into_body(), MOST).await;
            let body = body.map_err(|error| purpose.lost(error.to_string()))?;
            Ok(Answer { body, allowance })
        };
        self.within(purpose, timeout, call).await
    }

    /// What takes longer than `timeout` is lost.
    pub(super) async fn within<T>(
        &self,
        purpose: Purpose,
        timeout: Duration,
        call: impl Future<Output = Result<T, CallError>> + Send,
    ) -> Result<T, CallError> {
        match select(Box::pin(call), self.clock.sleep(timeout)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(purpose.lost("no whole answer in time")),
        }
    }

    /// A refused token is read past its cache and, where it is another one now, the request sent
    /// again: what was refused was not carried out.
    async fn answered(
        &self,
        purpose: Purpose,
        timeout: Duration,
        make: Make<'_>,
    ) -> Result<Response<ByteStream>, CallError> {
        let token = self.token(false).await?;
        let mut sent = self.send(&token, purpose, timeout, make).await?;
        if sent.as_ref().is_err_and(Refusal::doubts_credentials) {
            let fresh = self.token(true).await?;
            if fresh != token {
                sent = self.send(&fresh, purpose, timeout, make).await?;
            }
        }
        sent.map_err(|refusal| refusal.into_call_error(purpose))
    }

    async fn send(
        &self,
        token: &Secret,
        purpose: Purpose,
        timeout: Duration,
        make: Make<'_>,
    ) -> Result<Result<Response<ByteStream>, Refusal>, CallError> {
        let request = make().and_then(|request| sign(request, token));
        let request = request.map_err(|error| {
            rejected(FailClass::Setup, format!("a request could not be formed: {error}"))
        })?;
        let response = self.transport.send(request, timeout).await;
        let response = response.map_err(|error| purpose.transport(&error))?;
        if response.status().is_success() {
            return Ok(Ok(response));
        }
        Ok(Err(Refusal::read(response).await))
    }

    async fn token(&self, fresh: bool) -> Result<Secret, CallError> {
        let token = self.secrets.secret(SecretName::ReplicateToken, fresh).await;
        // Nobody refused us: nobody was asked.
        token.map_err(|error| match unreadable("the token", &error) {
            CallError::Rejected { reason, .. } => rejected(FailClass::Setup, reason),
            away => away,
        })
    }
}

/// `ratelimit-remaining: 2999`, `ratelimit-reset: 1`.
fn allowance(headers: &HeaderMap) -> Option<Allowance> {
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse::<u32>().ok();
    let calls = number("ratelimit-remaining")?;
    let reset = number("ratelimit-reset").unwrap_or_default();
    Some(Allowance { calls, reset: Duration::from_secs(reset.into()) })
}

fn sign(mut request: Request<Body>, token: &Secret) -> http::Result<Request<Body>> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.reveal().trim()))?;
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(request)
}
