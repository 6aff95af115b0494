//! Who may call: bearer tokens of the one service account, or an API key.

mod assertion;
mod token;

use std::{collections::HashMap, sync::Mutex, time::Duration};

use chrono::{DateTime, Utc};
use http::HeaderMap;
use serde_json::json;

pub(crate) use self::token::{token, unavailable};
use crate::{lots, rpc::ApiError, shelf::lock, web};

pub(crate) const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// Carries the API key on the Developer API.
pub const API_KEY_HEADER: &str = "x-goog-api-key";
/// The scope that opens everything here.
pub const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

const KEY_ID: &str = "sandbox-only-key-";
const PRIVATE_KEY: &str = include_str!("../../assets/sandbox-only.key.pem");
const PUBLIC_KEY: &str = include_str!("../../assets/sandbox-only.pub.pem");

fn client_email(project: &str) -> String {
    format!("tryon@{project}.iam.gserviceaccount.com")
}

/// Whether the account has a key of this id. It has as many as anybody asks for.
fn is_key_id(id: &str) -> bool {
    id.strip_prefix(KEY_ID).is_some_and(|number| number.parse::<u32>().is_ok())
}

pub(crate) fn key_file(project: &str, token_uri: &str, number: u32) -> String {
    let email = client_email(project);
    let certificates = "https://www.googleapis.com/robot/v1/metadata/x509/";
    json!({
        "type": "service_account",
        "project_id": project,
        "private_key_id": format!("{KEY_ID}{number}"),
        "private_key": PRIVATE_KEY,
        "client_email": email,
        "client_id": "100000000000000000000",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": token_uri,
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": format!("{certificates}{email}"),
        "universe_domain": "googleapis.com",
    })
    .to_string()
}

/// The two faces of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Developer,
    Vertex,
}

impl Product {
    const fn service(self) -> &'static str {
        match self {
            Self::Developer => "generativelanguage.googleapis.com",
            Self::Vertex => "aiplatform.googleapis.com",
        }
    }

    fn accepts(self, scope: &str) -> bool {
        let names: &[&str] = match self {
            Self::Developer => &["generative-language", "generative-language.retriever"],
            Self::Vertex => &["aiplatform"],
        };
        scope == SCOPE || names.iter().any(|name| scope.strip_prefix(SCOPES) == Some(name))
    }
}

const SCOPES: &str = "https://www.googleapis.com/auth/";

/// Tokens in force.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    state: Mutex<Issued>,
}

#[derive(Default)]
struct Issued {
    count: u64,
    tokens: HashMap<String, Grant>,
}

/// Tokens stay out of logs, those of a sandbox too.
impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issued({})", self.count)
    }
}

struct Grant {
    expires: DateTime<Utc>,
    scope: String,
}

impl Tokens {
    fn issue(&self, seed: u64, scope: String, now: DateTime<Utc>, life: Duration) -> String {
        let mut state = lock(&self.state);
        state.tokens.retain(|_, grant| grant.expires > now);
        state.count += 1;
        let token = lots::name(seed, "token", &state.count.to_le_bytes(), 48);
        let token = format!("ya29.sandbox-{token}");
        state.tokens.insert(token.clone(), Grant { expires: now + life, scope });
        token
    }

    /// Whether the caller may use `product`.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        product: Product,
        api_key: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), ApiError> {
        let service = product.service();
        if let Some(bearer) = web::text(headers, "authorization") {
            let token = bearer.strip_prefix("Bearer ").unwrap_or_default();
            let state = lock(&self.state);
            let grant = state.tokens.get(token).filter(|grant| grant.expires > now);
            let grant = grant.ok_or_else(|| {
                ApiError::new(401, "The access token is missing, wrong or expired.")
                    .because("ACCESS_TOKEN_INVALID", service)
            })?;
            if grant.scope.split(' ').any(|scope| product.accepts(scope)) {
                return Ok(());
            }
            let error = ApiError::new(403, "The access token's scopes do not reach this method.");
            return Err(error.because("ACCESS_TOKEN_SCOPE_INSUFFICIENT", service));
        }
        match (product, web::text(headers, API_KEY_HEADER)) {
            (Product::Developer, Some(key)) if Some(key) == api_key => Ok(()),
            (Product::Developer, Some(_)) => {
                let error = ApiError::invalid("API key not valid. Please pass a valid API key.");
                Err(error.because("API_KEY_INVALID", service).localized())
            }
            (Product::Developer, None) => {
                Err(ApiError::new(403, "The caller has to show a key or a token."))
            }
            (Product::Vertex, _) => {
                let error = ApiError::new(401, "An access token is needed.");
                Err(error.because("CREDENTIALS_MISSING", service))
            }
        }
    }
}
