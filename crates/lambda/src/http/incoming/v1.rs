use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::{Incoming, Signed, Token, Version, below_stage};

type One = BTreeMap<String, Option<String>>;
type Many = BTreeMap<String, Option<Vec<String>>>;

/// Payload v1: what stands once stands in one map, what stands several times in another as well.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    /// Absent in events of a REST API, whose path never holds the stage.
    version: Option<String>,
    path: String,
    http_method: String,
    headers: Option<One>,
    multi_value_headers: Option<Many>,
    query_string_parameters: Option<One>,
    multi_value_query_string_parameters: Option<Many>,
    request_context: Context,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    stage: Option<String>,
    request_id: Option<String>,
    authorizer: Option<Authorizer>,
    identity: Option<Identity>,
}

/// Where the claims stand depends on the kind of authorizer; anything else may stand beside them.
#[derive(Debug, Deserialize)]
struct Authorizer {
    claims: Option<Value>,
    jwt: Option<Token>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    user_arn: Option<String>,
    account_id: Option<IgnoredAny>,
    /// Set for principals of an identity pool: anybody's browser, no backend.
    cognito_identity_id: Option<IgnoredAny>,
}

impl Authorizer {
    fn signed(self) -> Option<Signed> {
        if let Some(token) = self.jwt {
            return Some(token.signed());
        }
        match self.claims? {
            Value::Object(claims) => Some(Token { claims: Some(claims) }.signed()),
            _ => Some(Signed::Token(None)),
        }
    }
}

impl Identity {
    fn signed(self) -> Signed {
        match self {
            Self { user_arn: Some(arn), account_id: Some(_), cognito_identity_id: None } => {
                Signed::Iam(arn)
            }
            _ => Signed::Nothing,
        }
    }
}

impl From<Event> for Incoming {
    fn from(event: Event) -> Self {
        let context = event.request_context;
        let token = context.authorizer.and_then(Authorizer::signed);
        let signed = token.unwrap_or_else(|| context.identity.unwrap_or_default().signed());
        let stage = context.stage.filter(|_| event.version.is_some());
        let (prefix, path) = below_stage(event.path, stage.as_deref());
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in pairs(event.headers, event.multi_value_headers) {
            let joined = headers.entry(name.to_ascii_lowercase());
            joined.and_modify(|all| *all = format!("{all},{value}")).or_insert(value);
        }
        Self {
            version: Version::One,
            method: event.http_method,
            prefix,
            path,
            query: pairs(event.query_string_parameters, event.multi_value_query_string_parameters),
            headers,
            body: event.body.unwrap_or_default(),
            is_base64: event.is_base64_encoded,
            gateway_id: context.request_id,
            signed,
        }
    }
}

/// The map with every value counts where there is one.
fn pairs(one: Option<One>, many: Option<Many>) -> Vec<(String, String)> {
    if let Some(many) = many {
        let each = |(name, values): (String, Option<Vec<String>>)| {
            values.unwrap_or_default().into_iter().map(move |value| (name.clone(), value))
        };
        return many.into_iter().flat_map(each).collect();
    }
    let one = one.unwrap_or_default().into_iter();
    one.filter_map(|(name, value)| Some((name, value?))).collect()
}
