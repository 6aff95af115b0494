//! Access tokens: fetched at use, renewed before they run out, by one caller at a time.

mod error;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{
    HeaderMap, Request, StatusCode,
    header::{CONTENT_TYPE, DATE},
};
use serde::Deserialize;
use tokio::sync::Mutex;
use tryon_core::ports::{Body, Clock, HttpTransport, Secret, SecretName, Secrets, TransportError};

pub use self::error::TokenError;
use super::key::ServiceAccountKey;
use crate::read::{count, whole};

/// A token with less than this left is renewed.
const EARLY: TimeDelta = TimeDelta::minutes(4);
/// While no new one can be had, a token with this much left is still used.
const LAST: TimeDelta = TimeDelta::seconds(30);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Tries of one exchange, where the answer says that trying again may help.
const TRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest answer of the token endpoint, in bytes.
const MOST: usize = 64 * 1_024;
const FORM: &str = "application/x-www-form-urlencoded";
const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";

/// An access token, and the project its account belongs to.
#[derive(Clone)]
pub struct Token {
    access: Secret,
    project: String,
    expires_at: DateTime<Utc>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(until {})", self.expires_at)
    }
}

impl Token {
    pub fn access(&self) -> &Secret {
        &self.access
    }

    pub fn project(&self) -> &str {
        &self.project
    }

    pub fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    fn lasts(&self, now: DateTime<Utc>, time: TimeDelta) -> bool {
        now + time <= self.expires_at
    }
}

/// Where tokens come from. Nothing runs in the background: a frozen Lambda would miss it.
#[derive(Debug)]
pub struct TokenSource {
    transport: Arc<dyn HttpTransport>,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    scope: String,
    /// Held over an exchange, so that all who come meanwhile share its result.
    state: Mutex<State>,
    /// Exchanges made so far.
    rounds: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Arc<Token>>,
    /// A token was refused: the key it was had for may have been replaced.
    doubtful: bool,
    /// The last exchange, where it failed, by its number.
    failure: Option<(u64, TokenError)>,
}

impl TokenSource {
    pub fn new(
        transport: Arc<dyn HttpTransport>,
        secrets: Arc<dyn Secrets>,
        clock: Arc<dyn Clock>,
        scopes: &[&str],
    ) -> Self {
        Self {
            transport,
            secrets,
            clock,
            scope: scopes.join(" "),
            state: Mutex::default(),
            rounds: AtomicU64::new(0),
        }
    }

    /// A token that holds for some minutes.
    pub async fn token(&self) -> Result<Arc<Token>, TokenError> {
        let seen = self.rounds.load(Ordering::Relaxed);
        let mut state = self.state.lock().await;
        if let Some(token) = self.standing(&state, EARLY) {
            return Ok(token);
        }
        // Who waited for an exchange that failed does not start another.
        if let Some((round, error)) = &state.failure
            && *round > seen
        {
            return self.standing(&state, LAST).ok_or_else(|| error.clone());
        }
        let result = self.exchange(state.doubtful).await;
        let round = self.rounds.fetch_add(1, Ordering::Relaxed) + 1;
        match result {
            Ok(token) => {
                let token = Arc::new(token);
                *state = State { token: Some(token.clone()), ..State::default() };
                Ok(token)
            }
            Err(error) => {
                state.failure = Some((round, error.clone()));
                self.standing(&state, LAST).ok_or(error)
            }
        }
    }

    /// Drops a token that was refused, unless another has taken its place already.
    pub async fn invalidate(&self, refused: &Token) {
        let mut state = self.state.lock().await;
        if state.token.as_ref().is_some_and(|token| token.access == refused.access) {
            state.token = None;
            state.doubtful = true;
        }
    }

    fn standing(&self, state: &State, time: TimeDelta) -> Option<Arc<Token>> {
        let now = self.clock.now();
        state.token.clone().filter(|token| token.lasts(now, time))
    }

    /// A refused key may have been replaced in the store: it is read again past the cache, once. So is
    /// one whose token was refused.
    async fn exchange(&self, doubtful: bool) -> Result<Token, TokenError> {
        let read = |fresh| self.secrets.secret(SecretName::ServiceAccount, fresh);
        let mut secret = read(false).await?;
        if doubtful && let Ok(fresh) = read(true).await {
            secret = fresh;
        }
        let error = match self.exchange_with(&secret).await {
            Err(error) if !error.is_retryable() && !doubtful => error,
            result => return result,
        };
        match read(true).await {
            Ok(fresh) if fresh != secret => self.exchange_with(&fresh).await,
            _ => Err(error),
        }
    }

    async fn exchange_with(&self, secret: &Secret) -> Result<Token, TokenError> {
        let key = ServiceAccountKey::parse(secret.reveal())?;
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            match self.ask(&key).await {
                Err(error) if error.is_retryable() => self.clock.sleep(wait).await,
                result => return result,
            }
            wait *= 2;
        }
        self.ask(&key).await
    }

    async fn ask(&self, key: &ServiceAccountKey) -> Result<Token, TokenError> {
        let now = self.clock.now();
        // A JWT's characters stand for themselves in a form.
        let form = format!("{GRANT}{}", key.assertion(&self.scope, now)?);
        let request = Request::post(key.token_uri().clone())
            .header(CONTENT_TYPE, FORM)
            .body(Body::from(form))
            .map_err(|error| TokenError::Unavailable(error.to_string()))?;
        let response = self.transport.send(request, TIMEOUT).await?;
        let (head, body) = response.into_parts();
        let body =
            whole(body, MOST).await.map_err(|error| TokenError::Unavailable(error.to_string()))?;
        if head.status != StatusCode::OK {
            // The call took time, too; what a refused token is off by is more than that.
            let ahead = date(&head.headers).map(|theirs| (self.clock.now() - theirs).num_seconds());
            return Err(TokenError::refused(head.status, &body, ahead));
        }
        parse(&body, key, now)
    }
}

/// When the answer was made, by the clock of who made it.
fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let text = headers.get(DATE)?.to_str().ok()?;
    DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc())
}

impl From<TransportError> for TokenError {
    fn from(error: TransportError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default, deserialize_with = "count")]
    expires_in: u64,
}

fn parse(body: &Bytes, key: &ServiceAccountKey, asked: DateTime<Utc>) -> Result<Token, TokenError> {
    let (access, life) = granted(body)
        .ok_or_else(|| TokenError::Unavailable("the answer holds no token".to_owned()))?;
    Ok(Token {
        access,
        project: key.project_id().to_owned(),
        expires_at: asked + TimeDelta::seconds(life),
    })
}

/// A token, and how many seconds it lives.
pub(super) fn granted(body: &[u8]) -> Option<(Secret, i64)> {
    let granted: Granted = serde_json::from_slice(body).ok()?;
    if granted.access_token.is_empty() {
        return None;
    }
    // Without a word on its life it counts as short.
    let life = i64::try_from(granted.expires_in.clamp(1, 86_400)).unwrap_or(1);
    Some((Secret::new(granted.access_token), life))
}

#[cfg(test)]
mod tests;
