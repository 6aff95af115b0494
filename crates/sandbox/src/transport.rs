//! The way in without a network.

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::{self, Either},
    stream,
};
use http::{HeaderValue, Request, Response, header};
use tower::ServiceExt;
use tryon_core::ports::{Body, ByteStream, Clock, HttpTransport, TransportError};

use crate::{
    app::{App, Broken},
    replicate::{delivers, serves},
};

#[derive(Debug)]
pub(crate) struct InProcess {
    router: Router,
    clock: Arc<dyn Clock>,
}

impl InProcess {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { clock: app.clock.clone(), router: app.router() }
    }
}

#[async_trait]
impl HttpTransport for InProcess {
    async fn send(
        &self,
        request: Request<Body>,
        timeout: Duration,
    ) -> Result<Response<ByteStream>, TransportError> {
        let host = request.uri().host().unwrap_or_default();
        if !leads_here(host, request.uri().path()) {
            return Err(TransportError::NotConnected(format!("{host} does not serve this path")));
        }
        let (mut parts, body) = request.into_parts();
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.length()));
        let body = axum::body::Body::from_stream(exact(body));
        let answer = self.router.clone().oneshot(Request::from_parts(parts, body));
        let response = match future::select(answer, self.clock.sleep(timeout)).await {
            Either::Left((Ok(response), _)) => response,
            Either::Right(((), _)) => {
                return Err(TransportError::NoAnswer(format!("none within {timeout:?}")));
            }
        };
        match response.extensions().get::<Broken>() {
            Some(Broken::Refused) => Err(TransportError::NotConnected("refused".to_owned())),
            Some(Broken::Lost) => Err(TransportError::NoAnswer("connection closed".to_owned())),
            None => {
                let clock = self.clock.clone();
                Ok(response.map(|body| patient(body, clock, timeout)))
            }
        }
    }
}

/// Hosts serve each their own paths; a loopback address serves all of them.
fn leads_here(host: &str, path: &str) -> bool {
    match host {
        "oauth2.googleapis.com" => path == "/token",
        "localhost" | "127.0.0.1" | "[::1]" => true,
        "aiplatform.googleapis.com" => path.starts_with("/v1/projects/"),
        "generativelanguage.googleapis.com" => {
            path != "/token"
                && !path.starts_with("/v1/projects/")
                && !serves(path)
                && !delivers(path)
        }
        "api.replicate.com" => serves(path),
        "replicate.delivery" => delivers(path),
        host if host.ends_with(".replicate.delivery") => delivers(path),
        // A region's host serves what is in that region.
        host => regional(host).is_some_and(|region| {
            path.starts_with("/v1/projects/") && path.contains(&format!("/locations/{region}/"))
        }),
    }
}

/// `us-central1-aiplatform.googleapis.com`, `aiplatform.eu.rep.googleapis.com`
fn regional(host: &str) -> Option<&str> {
    let multi = || host.strip_prefix("aiplatform.")?.strip_suffix(".rep.googleapis.com");
    host.strip_suffix("-aiplatform.googleapis.com").or_else(multi)
}

/// The body, broken off where it is not as long as it says.
fn exact(body: Body) -> ByteStream {
    let wrong = || Some((Err(io::Error::other("the body has not the length announced")), None));
    let state = Some((body.length(), body.into_stream()));
    stream::unfold(state, move |state| async move {
        let (left, mut stream) = state?;
        match stream.next().await {
            Some(Ok(piece)) => match left.checked_sub(piece.len() as u64) {
                Some(left) => Some((Ok(piece), Some((left, stream)))),
                None => wrong(),
            },
            Some(Err(error)) => Some((Err(error), None)),
            None if left > 0 => wrong(),
            None => None,
        }
    })
    .boxed()
}

/// The answer's body, broken off where a piece takes longer than `timeout`.
fn patient(body: axum::body::Body, clock: Arc<dyn Clock>, timeout: Duration) -> ByteStream {
    let state = Some((body.into_data_stream(), clock));
    stream::unfold(state, move |state| async move {
        let (mut stream, clock) = state?;
        let late = clock.sleep(timeout);
        let piece: Option<Result<Bytes, io::Error>> =
            match future::select(stream.next(), late).await {
                Either::Left((piece, _)) => piece.map(|piece| piece.map_err(io::Error::other)),
                Either::Right(_) => Some(Err(io::ErrorKind::TimedOut.into())),
            };
        let piece = piece?;
        let rest = piece.is_ok().then_some((stream, clock));
        Some((piece, rest))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_serve_their_own_paths() {
        let developer = "generativelanguage.googleapis.com";
        assert!(leads_here("oauth2.googleapis.com", "/token"));
        assert!(leads_here(developer, "/v1beta/batches"));
        assert!(leads_here("127.0.0.1", "/token"));
        assert!(!leads_here(developer, "/v1/projects/p/locations/global"));
        assert!(!leads_here("aiplatform.googleapis.com", "/v1beta/batches"));
        assert!(!leads_here("example.com", "/token"));
        let central = "/v1/projects/p/locations/us-central1/publishers/google/models/m:predict";
        assert!(leads_here("us-central1-aiplatform.googleapis.com", central));
        assert!(!leads_here("us-east1-aiplatform.googleapis.com", central));
        assert!(!leads_here("aiplatform.eu.rep.googleapis.com", central));
        let official = "/v1/models/google/nano-banana-pro/predictions";
        assert!(leads_here("api.replicate.com", "/v1/predictions/p1/cancel"));
        assert!(leads_here("api.replicate.com", official));
        assert!(leads_here("pbxt.replicate.delivery", "/pbxt/a/out-0.png"));
        assert!(!leads_here("api.replicate.com", "/v1/models/gemini:generateContent"));
        assert!(!leads_here(developer, "/v1/predictions"));
        assert!(!leads_here("replicate.delivery", "/v1/predictions"));
        assert!(!leads_here("evil-replicate.delivery", "/pbxt/a/out-0.png"));
    }
}
