//! Scenarios that leave the stack as others need it.

mod batches;
mod news;
mod renders;
