//! The service account's key file.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use http::Uri;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::{Map, Value};

/// Clocks differ: a token from the future is refused.
const BACKDATE: TimeDelta = TimeDelta::seconds(10);
/// The longest life Google grants, from `iat` to `exp`.
const LIFE: TimeDelta = TimeDelta::hours(1);

/// Why a key file cannot be used. Names fields, never their contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("it is no JSON object")]
    NotJson,
    #[error("field {0} is missing")]
    Missing(&'static str),
    #[error("field type is not service_account")]
    WrongType,
    #[error("field token_uri is no http(s) URL")]
    TokenUri,
    #[error("field private_key is no RSA private key in PEM")]
    PrivateKey,
}

/// A service account's key; never shown.
#[derive(Clone)]
pub struct ServiceAccountKey {
    client_email: String,
    private_key_id: String,
    project_id: String,
    token_uri: Uri,
    private_key: EncodingKey,
}

impl fmt::Debug for ServiceAccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceAccountKey(..)")
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: String,
    iat: i64,
    exp: i64,
}

impl ServiceAccountKey {
    /// Parses the JSON that Google hands out.
    pub fn parse(json: &str) -> Result<Self, KeyError> {
        // Field by field: a parser's own message may quote what it read.
        let fields: Map<String, Value> =
            serde_json::from_str(json).map_err(|_| KeyError::NotJson)?;
        let field = |name: &'static str| {
            let text = fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            text.ok_or(KeyError::Missing(name))
        };
        if field("type")? != "service_account" {
            return Err(KeyError::WrongType);
        }
        let token_uri: Uri = field("token_uri")?.parse().map_err(|_| KeyError::TokenUri)?;
        if !matches!(token_uri.scheme_str(), Some("https" | "http")) || token_uri.host().is_none() {
            return Err(KeyError::TokenUri);
        }
        Ok(Self {
            client_email: field("client_email")?.to_owned(),
            private_key_id: field("private_key_id")?.to_owned(),
            project_id: field("project_id")?.to_owned(),
            token_uri,
            private_key: EncodingKey::from_rsa_pem(field("private_key")?.as_bytes())
                .map_err(|_| KeyError::PrivateKey)?,
        })
    }

    pub fn project_id(&self) -> &str {
        &self.project_id
    }

    pub fn token_uri(&self) -> &Uri {
        &self.token_uri
    }

    /// A signed request for a token with `scope` (space separated).
    pub fn assertion(&self, scope: &str, now: DateTime<Utc>) -> Result<String, KeyError> {
        let issued = now - BACKDATE;
        let claims = Claims {
            iss: &self.client_email,
            scope,
            aud: self.token_uri.to_string(),
            iat: issued.timestamp(),
            exp: (issued + LIFE).timestamp(),
        };
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.private_key_id.clone());
        jsonwebtoken::encode(&header, &claims, &self.private_key).map_err(|_| KeyError::PrivateKey)
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::json;

    use super::*;
    use crate::{
        google::testing::{KEY_ID, key_json},
        testing::now,
    };

    #[test]
    fn names_the_field_that_is_missing() {
        let fields =
            ["type", "project_id", "private_key_id", "private_key", "client_email", "token_uri"];
        for name in fields {
            let mut json = key_json();
            json.as_object_mut().unwrap().remove(name);
            let error = ServiceAccountKey::parse(&json.to_string()).unwrap_err();
            assert_eq!(error, KeyError::Missing(name));
            assert!(error.to_string().contains(name));
        }
    }

    #[test]
    fn says_what_is_wrong_and_quotes_nothing() {
        let with = |name: &str, value: &str| {
            let mut json = key_json();
            json[name] = json!(value);
            ServiceAccountKey::parse(&json.to_string()).unwrap_err()
        };
        assert_eq!(with("type", "authorized_user"), KeyError::WrongType);
        assert_eq!(with("token_uri", "oauth2"), KeyError::TokenUri);
        assert_eq!(with("private_key", "hunter2"), KeyError::PrivateKey);
        assert_eq!(ServiceAccountKey::parse("hunter2").unwrap_err(), KeyError::NotJson);
    }

    #[test]
    fn is_never_shown() {
        let key = ServiceAccountKey::parse(&key_json().to_string()).unwrap();
        assert_eq!(format!("{key:?}"), "ServiceAccountKey(..)");
    }

    #[test]
    fn signs_what_google_asks_for() {
        let key = ServiceAccountKey::parse(&key_json().to_string()).unwrap();
        let assertion = key.assertion("a b", now()).unwrap();
        let header = jsonwebtoken::decode_header(&assertion).unwrap();
        assert_eq!(header.kid.as_deref(), Some(KEY_ID));
        assert_eq!(header.typ.as_deref(), Some("JWT"));
        let public = include_bytes!("testdata/test-only.pub.pem");
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.set_audience(&["https://oauth2.googleapis.com/token"]);
        let public = DecodingKey::from_rsa_pem(public).unwrap();
        let claims = jsonwebtoken::decode::<Value>(&assertion, &public, &validation).unwrap();
        let expected = json!({
            "iss": "shop@sample.iam.gserviceaccount.com",
            "scope": "a b",
            "aud": "https://oauth2.googleapis.com/token",
            "iat": now().timestamp() - 10,
            "exp": now().timestamp() + 3_590,
        });
        assert_eq!(claims.claims, expected);
    }
}
