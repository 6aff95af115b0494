//! Scenarios that turn knobs, deploy, kill functions or take something away.

mod costs;
mod database;
mod kills;
mod knobs;
mod memory;
mod money;
mod redeploy;
mod seal;
mod twice;
