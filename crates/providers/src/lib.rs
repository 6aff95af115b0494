//! Clients of the providers, over the `HttpTransport` port: the same code speaks to Google from
//! Lambda and to the sandbox in process.

pub mod google;
#[cfg(feature = "reqwest")]
mod transport;

#[cfg(feature = "reqwest")]
pub use transport::{BuildError, ReqwestTransport};
