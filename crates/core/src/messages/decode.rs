use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A message with a version and a closed set of types.
pub trait WireMessage: Serialize + DeserializeOwned {
    /// One more whenever an earlier release could not read what this one writes: a field it needs
    /// is gone, or a field holds a variant it does not know.
    const VERSION: u32;
    const TYPES: &'static [&'static str];
}

/// Why a body is no message of ours.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A newer release wrote it: leave it for that.
    #[error("message version {version} type {kind:?} is newer than this release")]
    Newer { version: u64, kind: String },
    /// Nobody can read it.
    #[error("message cannot be read: {0}")]
    Malformed(String),
}

/// What every message begins with.
#[derive(Deserialize)]
struct Header<'a> {
    v: u64,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// Reads a message body.
pub fn decode<T: WireMessage>(body: &str) -> Result<T, DecodeError> {
    let Header { v, kind } = serde_json::from_str(body).map_err(|e| malformed(&e))?;
    if v != u64::from(T::VERSION) || !T::TYPES.contains(&&*kind) {
        return Err(DecodeError::Newer { version: v, kind: kind.into_owned() });
    }
    serde_json::from_str(body).map_err(|error| {
        if is_newer(&error) {
            DecodeError::Newer { version: v, kind: kind.into_owned() }
        } else {
            malformed(&error)
        }
    })
}

/// Whether what could not be read has a word of an enum that this release does not know: a newer one
/// wrote it. A parser tells that in words alone.
pub fn is_newer(error: &impl fmt::Display) -> bool {
    error.to_string().starts_with("unknown variant ")
}

/// Where and what kind of fault, and no more: the parser's own words quote the body, which carries
/// customers' words.
fn malformed(error: &serde_json::Error) -> DecodeError {
    let (line, column) = (error.line(), error.column());
    DecodeError::Malformed(format!("{:?} at {line}:{column}", error.classify()).to_lowercase())
}

/// Writes a message body.
pub fn encode<T: WireMessage>(message: &T) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Versioned<'a, T> {
        v: u32,
        #[serde(flatten)]
        body: &'a T,
    }
    serde_json::to_string(&Versioned { v: T::VERSION, body: message })
}
