//! Replicate: predictions of one render each, created once, polled, and their pictures fetched.

mod addresses;
mod api;
mod check;
mod client;
mod delivery;
mod errors;
mod failure;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod input;
mod record;

pub use self::{check::SelfCheck, client::ReplicateClient};

/// The API.
pub const REPLICATE_URL: &str = "https://api.replicate.com/v1";
/// Where predictions' pictures lie, and below.
pub const DELIVERY_HOST: &str = "replicate.delivery";
/// What is led away where a server stands in for Replicate.
pub const HOSTS: &[&str] = &["replicate.com", DELIVERY_HOST];

#[cfg(test)]
mod tests;
