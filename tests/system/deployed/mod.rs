//! The very template with the very binaries, on an emulated AWS, with real Postgres and the providers on a
//! port. All scenarios share one stack. Those of `at_once` run at once: each has users and prompts of its
//! own. Those of `in_turn` change the stack for everybody and come after them, one by one.

mod at_once;
mod books;
mod bus;
mod in_turn;
mod prices;
mod processes;
mod providers;
mod report;
mod shop;
mod stack;
mod turn;
mod wire;
