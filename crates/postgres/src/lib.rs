//! Render and batch rows in Postgres, behind the ports of the core.
//!
//! What is decided, and by which rule, is the core's; here rows are locked, read, written, and never
//! trusted. Postgres keeps microseconds: times are cut to those as they are written.
//!
//! Queries are checked against the schema as they are compiled, by what `prepare` has written into
//! `.sqlx`; no database is needed for a build.

mod batches;
mod columns;
mod config;
mod database;
mod errors;
mod lease;
mod locks;
mod observations;
mod ops;
mod renders;
mod safe;

pub use self::{
    config::{ConfigError, DatabaseConfig, TlsMode},
    database::{
        ACQUIRE_TIMEOUT, CALL_TIMEOUT, Database, LOCK_TIMEOUT, STATEMENT_TIMEOUT, migrator,
    },
    safe::SecretSource,
};
