//! Builds each function's handler on the real adapters, from the environment: configuration is read and
//! refused as a whole before anything is built. What no function uses of this crate, its binary does
//! not carry.

mod config;
mod functions;
mod house;
mod safe;

pub use self::functions::{
    accumulator, distributor, imagen, migrate, reconciler, replicate, rollout, router,
};

/// Why a function cannot start. No secret is in it.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    #[error(transparent)]
    Environment(#[from] tryon_lambda::environment::EnvironmentError),
    #[error("the catalogue cannot be used: {0}")]
    Catalogue(#[from] tryon_core::catalogue::CatalogueError),
    #[error(transparent)]
    Database(tryon_postgres::ConfigError),
    #[error("REPLICATE_API_ENDPOINT: give a base URL, such as https://replicate.example")]
    Endpoint,
}
