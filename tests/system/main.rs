//! Whole flows through the real Lambda handlers, on memory adapters and the sandbox in process, in
//! virtual time.

mod budget;
mod drops;
mod scenarios;
mod storm;
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]
mod support;
