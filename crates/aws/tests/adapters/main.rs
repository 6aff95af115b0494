//! The AWS adapters against the contract suites, on the emulated services.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod books;
mod health;
mod tables;
