//! Clients of the providers, over the `HttpTransport` port: the same code speaks to Google from
//! Lambda and to the sandbox in process.

mod detour;
mod errors;
mod findings;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod google;
mod prompt;
mod read;
pub mod replicate;
#[cfg(test)]
mod testing;
#[cfg(feature = "reqwest")]
mod transport;
mod url;

pub use detour::Detour;
pub use findings::{Finding, State};
#[cfg(feature = "reqwest")]
pub use transport::{BuildError, ReqwestTransport};
