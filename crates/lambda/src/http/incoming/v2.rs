use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use super::{Incoming, Signed, Token, Version, below_stage};

/// Payload v2: one header, one query, JWT and IAM side by side.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    request_context: Context,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    http: Http,
    stage: Option<String>,
    request_id: Option<String>,
    authorizer: Option<Authorizer>,
}

#[derive(Debug, Deserialize)]
struct Http {
    method: String,
}

#[derive(Debug, Deserialize)]
struct Authorizer {
    jwt: Option<Token>,
    iam: Option<Iam>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Iam {
    user_arn: Option<String>,
    /// Set for principals of an identity pool: anybody's browser, no backend.
    cognito_identity: Option<IgnoredAny>,
}

impl From<Event> for Incoming {
    fn from(event: Event) -> Self {
        let context = event.request_context;
        let signed = match context.authorizer {
            Some(Authorizer { jwt: Some(token), .. }) => token.signed(),
            Some(Authorizer {
                iam: Some(Iam { user_arn: Some(arn), cognito_identity: None }),
                ..
            }) => Signed::Iam(arn),
            _ => Signed::Nothing,
        };
        let (prefix, path) = below_stage(event.raw_path, context.stage.as_deref());
        // The gateway's own reading of a query splits values at commas.
        let query = form_urlencoded::parse(event.raw_query_string.as_bytes()).into_owned();
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        Self {
            version: Version::Two,
            method: context.http.method,
            prefix,
            path,
            query: query.collect(),
            headers: event.headers.into_iter().map(lower).collect(),
            body: event.body.unwrap_or_default(),
            is_base64: event.is_base64_encoded,
            gateway_id: context.request_id,
            signed,
        }
    }
}
