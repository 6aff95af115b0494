//! The render pipeline's heart: types, pure policies, ports, stages, and memory adapters for all of
//! the ports. It knows no cloud, no database and no HTTP client.

pub mod attempt;
pub mod audit;
pub mod batch;
pub mod budget;
pub mod catalogue;
pub mod chain;
#[cfg(feature = "contract")]
pub mod contract;
pub mod failures;
pub mod gates;
pub mod ids;
pub mod lane;
pub mod memory;
pub mod messages;
pub mod metrics;
pub mod money;
pub mod ops;
pub mod outcome;
pub mod picture;
pub mod polling;
pub mod ports;
pub mod rating;
pub mod render;
pub mod request;
pub mod routing;
pub mod settings;
pub mod stages;
pub mod vitals;
