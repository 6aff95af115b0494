//! The whole pipeline in one process: every function's Lambda handler on memory adapters, against a
//! sandbox of the providers, in real or in virtual time.

pub mod arrivals;
pub mod check;
pub mod cli;
pub mod demo;
pub mod explain;
pub mod files;
pub mod google;
pub mod interrupt;
pub mod knobs_file;
mod network;
pub mod ops;
pub mod providers;
pub mod pump;
pub mod render_one;
pub mod replicate;
pub mod report;
pub mod route;
pub mod run;
pub mod serve;
pub mod simulate;
pub mod taste;
pub mod world;
