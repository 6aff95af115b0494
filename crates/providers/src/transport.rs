//! HTTP over a network, with reqwest: TLS by rustls and ring, HTTP/2 where it is spoken.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderValue, Request, Response, header::CONTENT_LENGTH};
use rustls::{ClientConfig, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::time::timeout;
use tryon_core::ports::{Body, ByteStream, HttpTransport, TransportError};

/// How long a connection may take; shorter than any call's own time, so that a host that cannot be
/// reached is not mistaken for one that does not answer.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept. A frozen Lambda wakes up with dead ones.
const IDLE: Duration = Duration::from_secs(50);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the HTTP client cannot be built: {0}")]
    Client(#[from] reqwest::Error),
}

/// The real `HttpTransport`. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct ReqwestTransport {
    client: Arc<OnceLock<reqwest::Client>>,
}

impl ReqwestTransport {
    /// Trusts what the system trusts.
    pub fn new() -> Result<Self, BuildError> {
        Self::built(reqwest::Client::builder())
    }

    /// The same, but what the system trusts is read when something is first to be sent: a function starts
    /// sooner.
    pub fn late() -> Self {
        Self { client: Arc::default() }
    }

    fn built(builder: reqwest::ClientBuilder) -> Result<Self, BuildError> {
        Ok(Self { client: Arc::new(build(builder)?.into()) })
    }

    fn client(&self) -> Result<&reqwest::Client, TransportError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = build(reqwest::Client::builder());
        let client = client.map_err(|error| TransportError::NotConnected(error.to_string()))?;
        Ok(self.client.get_or_init(|| client))
    }
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, BuildError> {
    let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = builder
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        // Whether a request may be repeated is for its sender to say.
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .build()?;
    Ok(client)
}

#[async_trait]
impl HttpTransport for ReqwestTransport {
    async fn send(
        &self,
        request: Request<Body>,
        limit: Duration,
    ) -> Result<Response<ByteStream>, TransportError> {
        let request = outgoing(request)?;
        let response = match timeout(limit, self.client()?.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() || error.is_builder() => {
                return Err(TransportError::NotConnected(reason(error)));
            }
            Ok(Err(error)) => return Err(TransportError::NoAnswer(reason(error))),
            Err(_) => return Err(TransportError::NoAnswer("no answer in time".to_owned())),
        };
        let mut answer = Response::new(());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        Ok(answer.map(|()| incoming(response, limit)))
    }
}

fn outgoing(request: Request<Body>) -> Result<reqwest::Request, TransportError> {
    let (head, body) = request.into_parts();
    let (length, stream) = (body.length(), body.into_stream());
    let mut request = Request::from_parts(head, ());
    if length > 0 {
        // Known ahead, so that the body is not sent in HTTP/1 chunks.
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let body = if length > 0 { reqwest::Body::wrap_stream(stream) } else { "".into() };
    // Fails for a URL that cannot be used, before anything is sent.
    reqwest::Request::try_from(request.map(|()| body))
        .map_err(|error| TransportError::NotConnected(reason(error)))
}

/// The answer's body; ends with an error where it stands still for `limit`.
fn incoming(response: reqwest::Response, limit: Duration) -> ByteStream {
    let pieces = response.bytes_stream().map_err(|error| {
        let kind = if error.is_timeout() { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
        io::Error::new(kind, reason(error))
    });
    stream::try_unfold(pieces.boxed(), move |mut pieces| async move {
        match timeout(limit, pieces.try_next()).await {
            Ok(piece) => Ok(piece?.map(|piece| (piece, pieces))),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    })
    .boxed()
}

/// What happened, without the URL, which may be a capability.
fn reason(error: reqwest::Error) -> String {
    use std::error::Error;
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    reason
}

#[cfg(test)]
mod tests;
