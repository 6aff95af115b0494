//! What all Google backends share: the way out, credentials, and one renewal of those when refused.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Request, Response, header::AUTHORIZATION};
use tryon_core::{
    outcome::FailClass,
    ports::{
        Body, ByteStream, CallError, Clock, HttpTransport, Secret, SecretName, Secrets,
        SettingsSource,
    },
};

use super::{
    Auth, SCOPES,
    errors::Refusal,
    token::{Token, TokenSource},
};
use crate::errors::{Purpose, rejected, unreadable};

const API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
const USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// The ports that Google's backends need. Cheap to clone; clones share their token.
#[derive(Clone, Debug)]
pub struct Connection {
    pub transport: Arc<dyn HttpTransport>,
    pub tokens: Arc<TokenSource>,
    pub secrets: Arc<dyn Secrets>,
    pub settings: Arc<dyn SettingsSource>,
    pub clock: Arc<dyn Clock>,
    /// Where Vertex bills, in place of the service account's own project.
    pub project: Option<String>,
    /// Whose quota calls with a token are counted by, where Google must be told.
    pub user_project: Option<String>,
}

/// Who we are, for one request.
#[derive(Clone, Debug)]
pub(super) enum Access {
    /// For a URL that is a capability in itself.
    Open,
    Token(Arc<Token>),
    Key(Secret),
}

/// Builds a request; called again when it has to be sent again.
pub(super) type Make<'a> = &'a (dyn Fn(&Access) -> http::Result<Request<Body>> + Sync);

impl Connection {
    /// A connection whose tokens have the scopes of both products.
    pub fn new(
        transport: Arc<dyn HttpTransport>,
        secrets: Arc<dyn Secrets>,
        settings: Arc<dyn SettingsSource>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let tokens = TokenSource::new(transport.clone(), secrets.clone(), clock.clone(), &SCOPES);
        let (project, user_project) = (None, None);
        Self {
            transport,
            tokens: Arc::new(tokens),
            secrets,
            settings,
            clock,
            project,
            user_project,
        }
    }

    #[must_use]
    pub fn in_project(self, project: Option<String>) -> Self {
        Self { project, ..self }
    }

    #[must_use]
    pub fn by_user_project(self, user_project: Option<String>) -> Self {
        Self { user_project, ..self }
    }

    /// Asks for tokens with these scopes, where some are named.
    #[must_use]
    pub fn with_scopes(self, scopes: &[String]) -> Self {
        if scopes.is_empty() {
            return self;
        }
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        let (transport, secrets) = (self.transport.clone(), self.secrets.clone());
        let tokens = TokenSource::new(transport, secrets, self.clock.clone(), &scopes);
        Self { tokens: Arc::new(tokens), ..self }
    }

    /// The project that pays for a call on Vertex.
    pub(super) fn project<'a>(&'a self, token: &'a Token) -> &'a str {
        self.project.as_deref().unwrap_or(token.project())
    }

    /// The base URL in force: the knob `api-endpoint` where it is set, `host` otherwise.
    pub(super) async fn base(&self, host: &str) -> String {
        let endpoint = self.settings.settings().await.api_endpoint;
        if endpoint.is_empty() { host.to_owned() } else { endpoint }
    }

    pub(super) async fn access(&self, auth: Auth) -> Result<Access, CallError> {
        match auth {
            Auth::Bearer => Ok(Access::Token(self.tokens.token().await?)),
            Auth::ApiKey => {
                let key = self.secrets.secret(SecretName::ApiKey, false).await;
                key.map(Access::Key).map_err(|error| unreadable("the API key", &error))
            }
        }
    }

    /// Sends a request and returns its answer, if that is a good one. Refused credentials are
    /// renewed, and the request sent again, once: what was refused was not carried out.
    pub(super) async fn call(
        &self,
        access: Access,
        purpose: Purpose,
        timeout: Duration,
        make: Make<'_>,
    ) -> Result<Response<ByteStream>, CallError> {
        let refusal = match self.send(&access, purpose, timeout, make).await? {
            Ok(response) => return Ok(response),
            Err(refusal) => refusal,
        };
        if refusal.doubts_credentials()
            && let Some(renewed) = self.renew(&access).await?
        {
            let again = self.send(&renewed, purpose, timeout, make).await?;
            return again.map_err(|refusal| refusal.into_call_error(purpose));
        }
        Err(refusal.into_call_error(purpose))
    }

    async fn send(
        &self,
        access: &Access,
        purpose: Purpose,
        timeout: Duration,
        make: Make<'_>,
    ) -> Result<Result<Response<ByteStream>, Refusal>, CallError> {
        let user_project = self.user_project.as_deref();
        let request = make(access).and_then(|request| access.sign(request, user_project));
        let request = request.map_err(|error| {
            rejected(FailClass::Account, format!("a request could not be formed: {error}"))
        })?;
        let response = self.transport.send(request, timeout).await;
        let response = response.map_err(|error| purpose.transport(&error))?;
        if response.status().is_success() {
            return Ok(Ok(response));
        }
        Ok(Err(Refusal::read(response).await))
    }

    /// Other credentials than the refused ones, where there are any.
    async fn renew(&self, refused: &Access) -> Result<Option<Access>, CallError> {
        match refused {
            Access::Open => Ok(None),
            Access::Token(token) => {
                self.tokens.invalidate(token).await;
                Ok(Some(Access::Token(self.tokens.token().await?)))
            }
            Access::Key(key) => {
                let fresh = self.secrets.secret(SecretName::ApiKey, true).await;
                let fresh = fresh.map_err(|error| unreadable("the API key", &error))?;
                Ok((fresh != *key).then_some(Access::Key(fresh)))
            }
        }
    }
}

impl Access {
    fn sign(
        &self,
        mut request: Request<Body>,
        user_project: Option<&str>,
    ) -> http::Result<Request<Body>> {
        if let (Self::Token(_), Some(project)) = (self, user_project) {
            request.headers_mut().insert(USER_PROJECT, HeaderValue::try_from(project)?);
        }
        let (name, value) = match self {
            Self::Open => return Ok(request),
            Self::Token(token) => (AUTHORIZATION, format!("Bearer {}", token.access().reveal())),
            Self::Key(key) => (API_KEY, key.reveal().to_owned()),
        };
        let mut value = HeaderValue::try_from(value)?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
        Ok(request)
    }
}
