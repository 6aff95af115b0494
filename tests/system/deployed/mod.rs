//! The very template with the very binaries, on an emulated AWS, with real Postgres and the providers on a
//! port. All scenarios share one stack and run at once: each has users and prompts of its own. What turns
//! knobs, or takes something away, comes after them, one by one.

mod scenarios;
mod stack;
mod turns;
