//! A request as API Gateway hands it on: payload v2, or v1 as REST APIs and older routes send it.

mod v1;
mod v2;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::handler::{HandlerError, read};

/// Which shape the request had, and so the answer must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// What the gateway vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// Nobody.
    Nothing,
    /// A token, with the subject it names, if it names one.
    Token(Option<String>),
    /// A signature of an IAM principal of ours, by its ARN.
    Iam(String),
}

/// A request, whatever its shape was.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) version: Version,
    pub(super) method: String,
    /// What stands before the path: the stage's name, unless it is the default one.
    pub(super) prefix: String,
    pub(super) path: String,
    /// Decoded.
    query: Vec<(String, String)>,
    /// By lower-case name; several of one name joined with commas.
    headers: BTreeMap<String, String>,
    pub(super) body: String,
    pub(super) is_base64: bool,
    pub(super) gateway_id: Option<String>,
    pub(super) signed: Signed,
}

impl Incoming {
    pub(super) fn read(event: Value) -> Result<Self, HandlerError> {
        if event["version"] == "2.0" {
            Ok(read::<v2::Event>(event)?.into())
        } else {
            Ok(read::<v1::Event>(event)?.into())
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Every value that the query gives `name`.
    pub(super) fn queried<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.query.iter().filter(move |(other, _)| other == name);
        named.map(|(_, value)| value.as_str())
    }
}

/// A token's claims; both shapes have them.
#[derive(Debug, Deserialize)]
struct Token {
    #[serde(default)]
    claims: Option<Map<String, Value>>,
}

impl Token {
    fn signed(&self) -> Signed {
        let subject = self.claims.as_ref().and_then(|claims| claims.get("sub"));
        Signed::Token(subject.and_then(Value::as_str).map(str::to_owned))
    }
}

/// The path below the stage's name, and what stood before it.
fn below_stage(path: String, stage: Option<&str>) -> (String, String) {
    let below = stage
        .filter(|stage| !stage.is_empty())
        .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage))
        .filter(|below| below.starts_with('/'));
    match below {
        Some(below) => {
            let (prefix, below) = path.split_at(path.len() - below.len());
            (prefix.to_owned(), below.to_owned())
        }
        None => (String::new(), path),
    }
}
