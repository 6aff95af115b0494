//! Whole flows through the real Lambda handlers, on memory adapters and the sandbox in process, in
//! virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what helps a test fails as the test does"
)]

mod account;
mod alarms;
mod breaker;
mod bucket_catalogue;
mod budget;
mod chain;
mod dashboard;
mod deployed;
mod downloads;
mod drops;
mod explain;
mod health;
mod labels;
mod late;
mod legacy_storm;
mod limit;
mod models;
mod neighbours;
mod numbers;
mod outages;
mod ramp;
mod rescue;
mod resolve;
mod rotation;
mod runbook;
mod scenarios;
mod spellings;
mod storm;
mod support;
mod template;
