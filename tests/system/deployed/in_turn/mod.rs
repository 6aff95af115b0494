//! Scenarios that turn knobs, deploy, kill functions or take something away.

mod database;
mod kills;
mod knobs;
mod money;
mod redeploy;
mod seal;
mod twice;
