//! Replicate: predictions of one render each, created once, polled, and their pictures fetched.

mod addresses;
mod api;
mod client;
mod delivery;
mod errors;
mod failure;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod input;
mod record;

pub use self::client::ReplicateClient;

/// The API.
pub const REPLICATE_URL: &str = "https://api.replicate.com/v1";
/// Where predictions' pictures lie, and below.
pub const DELIVERY_HOST: &str = "replicate.delivery";

#[cfg(test)]
mod tests;
