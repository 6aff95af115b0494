use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, dangerous, decode, decode_header};
use serde::Deserialize;

use super::{PUBLIC_KEY, SCOPES, TOKEN_URI, is_key_id};

/// How far a caller's clock may run ahead, and how long a token may ask to live, in seconds.
const LEEWAY: i64 = 60;
const LONGEST: i64 = 3_600;

#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    #[serde(default)]
    pub(super) scope: String,
    aud: String,
    iat: i64,
    exp: i64,
}

/// Why an assertion gives no token: error and description as Google words them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Unreadable,
    Account,
    Signature,
    Time,
    Audience,
    Scope,
}

impl Refusal {
    pub(super) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Unreadable => ("invalid_request", "Bad Request"),
            Self::Account => ("invalid_grant", "Invalid grant: account not found"),
            Self::Signature => ("invalid_grant", "Invalid JWT Signature."),
            Self::Time => (
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable \
                 timeframe. Check your iat and exp values in the JWT claim.",
            ),
            Self::Audience => ("invalid_grant", "Invalid JWT: Failed audience check."),
            Self::Scope => ("invalid_scope", "Invalid OAuth scope or ID token audience provided."),
        }
    }
}

/// The id of the key that is said to have signed it.
pub(super) fn key_id(assertion: &str) -> Option<String> {
    decode_header(assertion).ok()?.kid
}

/// Checks the assertion of `email`, sent to the token endpoint at `address`.
pub(super) fn check(
    assertion: &str,
    email: &str,
    address: &str,
    now: DateTime<Utc>,
) -> Result<Claims, Refusal> {
    let header = decode_header(assertion).map_err(|_| Refusal::Unreadable)?;
    let claimed = dangerous::insecure_decode::<Claims>(assertion);
    if claimed.map_err(|_| Refusal::Unreadable)?.claims.iss != email {
        return Err(Refusal::Account);
    }
    if header.alg != Algorithm::RS256 || !header.kid.as_deref().is_some_and(is_key_id) {
        return Err(Refusal::Signature);
    }
    let key = DecodingKey::from_rsa_pem(PUBLIC_KEY.as_bytes()).map_err(|_| Refusal::Signature)?;
    // Only the signature: the claims are measured by the sandbox's own clock.
    let mut only_signature = Validation::new(Algorithm::RS256);
    only_signature.required_spec_claims.clear();
    only_signature.validate_exp = false;
    only_signature.validate_aud = false;
    let claims = decode::<Claims>(assertion, &key, &only_signature);
    let claims = claims.map_err(|_| Refusal::Signature)?.claims;
    let now = now.timestamp();
    let lives = claims.exp - claims.iat;
    if claims.iat > now + LEEWAY || claims.exp <= now || !(1..=LONGEST).contains(&lives) {
        return Err(Refusal::Time);
    }
    if claims.aud != TOKEN_URI && claims.aud != address {
        return Err(Refusal::Audience);
    }
    let known = |scope: &str| scope.strip_prefix(SCOPES).is_some_and(|name| !name.is_empty());
    if claims.scope.is_empty() || !claims.scope.split(' ').all(known) {
        return Err(Refusal::Scope);
    }
    Ok(claims)
}
