//! Google's image models: Online (`generateContent`), Batch (`batchGenerateContent`), and the tokens
//! both need.

mod answer;
pub mod batch;
mod body;
pub mod check;
mod connection;
mod errors;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
pub mod key;
pub mod online;
mod paying;
mod pictures;
pub mod predict;
mod request;
#[cfg(test)]
mod testing;
pub mod token;

pub use self::{
    batch::GeminiBatch,
    check::SelfCheck,
    connection::Connection,
    key::{KeyError, ServiceAccountKey},
    online::GeminiOnline,
    predict::{Region, VertexPredict},
    request::ImageForm,
    token::{Token, TokenError, TokenSource},
};

/// The Developer API: batches, files, and Online where it is chosen.
pub const DEVELOPER_URL: &str = "https://generativelanguage.googleapis.com";
/// Vertex AI, location `global`.
pub const VERTEX_URL: &str = "https://aiplatform.googleapis.com";

/// One token for both products.
pub const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/generative-language.retriever",
];

/// How a call on the Developer API says who we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// A token of the service account.
    #[default]
    Bearer,
    /// The secret `api-key`.
    ApiKey,
}

/// A text that is neither `bearer` nor `api-key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give bearer or api-key")]
pub struct UnknownAuth;

impl std::str::FromStr for Auth {
    type Err = UnknownAuth;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "bearer" => Ok(Self::Bearer),
            "api-key" => Ok(Self::ApiKey),
            _ => Err(UnknownAuth),
        }
    }
}

/// Which product answers Online calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Host {
    /// Vertex, with a token, in the project of the service account.
    #[default]
    Vertex,
    Developer(Auth),
}

impl Host {
    const fn auth(self) -> Auth {
        match self {
            Self::Vertex => Auth::Bearer,
            Self::Developer(auth) => auth,
        }
    }
}
