//! `tryon`: the render pipeline on one machine.

use std::io::{self, BufWriter, Write};

use anyhow::Result;
use clap::Parser;
use tracing_subscriber::EnvFilter;
use tryon_local::{
    cli::{Cli, Command},
    demo, render_one, route, simulate,
};

fn main() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    let mut out = BufWriter::new(io::stdout().lock());
    match Cli::parse().command {
        Command::Demo(args) => demo::run(&args, &mut out)?,
        Command::Simulate(args) => simulate::run(&args, &mut out)?,
        Command::Render(args) => render_one::run(&args, &mut out)?,
        Command::Route(args) => route::run(&args, &mut out)?,
    }
    Ok(out.flush()?)
}
