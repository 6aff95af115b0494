//! What every adapter of a port must do, as suites that run against any of them: in memory, and on
//! the real services. A suite fails by panicking.
//!
//! A suite wants a store of its own, and may be run on it once. Nothing here knows how an adapter
//! works; where a port shows only one side of a service, a small harness gives the other.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

pub mod attempts;
pub mod attempts_model;
pub mod batches;
pub mod batches_model;
pub mod bus;
pub mod catalogue;
pub mod fixtures;
pub mod health;
pub mod objects;
pub mod observations;
pub mod ops;
pub mod queues;
pub mod renders;
pub mod written;
