use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use super::ByteStream;

/// A body with its exact length, streamed so that memory stays bounded whatever it carries.
pub struct Body {
    length: u64,
    stream: ByteStream,
}

impl Body {
    pub fn empty() -> Self {
        Self { length: 0, stream: stream::empty().boxed() }
    }

    /// `length` must be exact: it is sent ahead as `Content-Length`.
    pub fn streamed(length: u64, stream: ByteStream) -> Self {
        Self { length, stream }
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn into_stream(self) -> ByteStream {
        self.stream
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        let bytes = bytes.into();
        let length = bytes.len() as u64;
        Self { length, stream: stream::once(async { Ok(bytes) }).boxed() }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.length)
    }
}

/// How far a request that failed had come, which decides whether it may be repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection: surely nothing was received.
    #[error("not connected: {0}")]
    NotConnected(String),
    /// Sent, at least in part, and no whole answer came: it may have been carried out.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// HTTP, for clients of providers: reqwest in Lambda, the sandbox in process elsewhere.
#[async_trait]
pub trait HttpTransport: Send + Sync + fmt::Debug {
    /// Sends the request and returns once the answer's head is there. Redirects are not followed.
    /// `timeout` rules the whole exchange until then; the answer's body has the same time again
    /// between two of its pieces.
    async fn send(
        &self,
        request: http::Request<Body>,
        timeout: Duration,
    ) -> Result<http::Response<ByteStream>, TransportError>;
}
