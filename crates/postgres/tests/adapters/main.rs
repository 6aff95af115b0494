//! The adapters on a Postgres of this machine: `tests/with-services cargo test -p tryon-postgres --
//! --ignored`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod migrations;
mod model;
mod races;
mod rows;
mod suites;
mod support;
mod tls;
mod waits;
