//! The adapters against the emulated AWS: `tests/with-services cargo test -p tryon-aws -- --ignored`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bus;
mod catalogue;
mod frozen;
mod knobs;
mod links;
mod objects;
mod queues;
mod support;
