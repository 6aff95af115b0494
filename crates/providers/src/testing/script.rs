use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{HeaderMap, Method, Request, Response, Uri};
use serde_json::{Value, json};
use tryon_core::ports::{Body, ByteStream, HttpTransport, TransportError};

use super::pieces;

/// What was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) timeout: Duration,
}

impl Sent {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Everything that stands on the wire, to be read by people.
    pub(crate) fn show(&self) -> String {
        let Self { method, uri, headers, body, .. } = self;
        let mut lines = vec![format!("{method} {uri}")];
        lines.extend(
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())),
        );
        lines.push(String::from_utf8_lossy(body).into_owned());
        lines.join("\n").trim_end().to_owned()
    }
}

/// What is answered, and after how long.
#[derive(Debug)]
pub(crate) struct Play {
    after: Duration,
    answer: Result<(u16, HeaderMap, Bytes), TransportError>,
    cut: bool,
}

impl Play {
    pub(crate) fn json(status: u16, json: &Value) -> Self {
        Self::text(status, &json.to_string())
    }

    pub(crate) fn text(status: u16, text: &str) -> Self {
        Self::bytes(status, text.as_bytes())
    }

    pub(crate) fn bytes(status: u16, bytes: &[u8]) -> Self {
        let body = Bytes::copy_from_slice(bytes);
        Self { after: Duration::ZERO, answer: Ok((status, HeaderMap::new(), body)), cut: false }
    }

    pub(crate) fn fails(error: TransportError) -> Self {
        Self { after: Duration::ZERO, answer: Err(error), cut: false }
    }

    pub(crate) fn after(mut self, seconds: u64) -> Self {
        self.after = Duration::from_secs(seconds);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok((_, headers, _)) = &mut self.answer {
            headers.insert(name, value.parse().unwrap());
        }
        self
    }

    /// The body breaks off half-way.
    pub(crate) fn cut(mut self) -> Self {
        self.cut = true;
        self
    }
}

/// Records requests and plays answers. Tokens are granted without a script: `token-1`, `token-2`...
#[derive(Debug, Default)]
pub(crate) struct Script {
    plays: Mutex<VecDeque<Play>>,
    /// Answers of the token endpoint, before it grants.
    token_plays: Mutex<VecDeque<Play>>,
    sent: Mutex<Vec<Sent>>,
    exchanges: Mutex<Vec<Sent>>,
}

impl Script {
    pub(crate) fn new(plays: impl IntoIterator<Item = Play>) -> Arc<Self> {
        Arc::new(Self { plays: Mutex::new(plays.into_iter().collect()), ..Self::default() })
    }

    pub(crate) fn of_tokens(plays: impl IntoIterator<Item = Play>) -> Arc<Self> {
        Arc::new(Self { token_plays: Mutex::new(plays.into_iter().collect()), ..Self::default() })
    }

    /// Scripts what the token endpoint answers next.
    pub(crate) fn token_plays(&self, plays: impl IntoIterator<Item = Play>) {
        self.token_plays.lock().unwrap().extend(plays);
    }

    /// What was sent, but for the exchanges of tokens.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    pub(crate) fn exchanges(&self) -> Vec<Sent> {
        self.exchanges.lock().unwrap().clone()
    }

    fn next(&self, sent: Sent) -> Play {
        if sent.uri.path() != "/token" {
            self.sent.lock().unwrap().push(sent);
            return self.plays.lock().unwrap().pop_front().expect("nothing more is in the script");
        }
        let mut exchanges = self.exchanges.lock().unwrap();
        exchanges.push(sent);
        let granted = json!({"access_token": format!("token-{}", exchanges.len()),
                             "expires_in": 3_599, "token_type": "Bearer"});
        let scripted = self.token_plays.lock().unwrap().pop_front();
        scripted.unwrap_or_else(|| Play::json(200, &granted))
    }
}

#[async_trait]
impl HttpTransport for Script {
    #[expect(clippy::disallowed_methods, reason = "a double takes its own time")]
    async fn send(
        &self,
        request: Request<Body>,
        timeout: Duration,
    ) -> Result<Response<ByteStream>, TransportError> {
        let (head, body) = request.into_parts();
        let length = body.length();
        let body: Result<Vec<Bytes>, _> = body.into_stream().try_collect().await;
        let body = body.map_err(|error| TransportError::NoAnswer(error.kind().to_string()))?;
        let body = Bytes::from(body.concat());
        assert_eq!(body.len() as u64, length, "the length sent ahead is wrong");
        let sent =
            Sent { method: head.method, uri: head.uri, headers: head.headers, body, timeout };
        let play = self.next(sent);
        tokio::time::sleep(play.after).await;
        let (status, headers, body) = play.answer?;
        let mut response = Response::new(pieces(&body, 7, play.cut));
        *response.status_mut() = status.try_into().unwrap();
        *response.headers_mut() = headers;
        Ok(response)
    }
}
