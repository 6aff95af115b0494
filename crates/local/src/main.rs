//! `tryon`: the render pipeline on one machine.

use std::{
    io::{self, BufWriter, IsTerminal, Write},
    process::ExitCode,
};

use anyhow::Result;
use clap::Parser;
use tracing_subscriber::EnvFilter;
use tryon_lambda::environment::Environment;
use tryon_local::{
    check,
    cli::{Cli, Command, Side},
    demo,
    interrupt::{EXIT_CODE, Interrupted},
    ops, providers, render_one, route, serve, simulate,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let logs = match &cli.command {
        Command::Serve(_) => serve::LOGS,
        // Why a real provider gave no picture is told nowhere else.
        Command::Render(args) if [args.google, args.replicate].contains(&Side::Live) => "warn",
        _ => "off",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(logs));
    let ansi = io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        .with_writer(io::stderr)
        .init();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody reads any more there is nobody to tell.
            writeln!(io::stderr(), "error: {error:#}").ok();
            let interrupted = error.is::<Interrupted>();
            if interrupted { ExitCode::from(EXIT_CODE) } else { ExitCode::FAILURE }
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match cli.command {
        Command::Demo(args) => demo::run(&args, &mut out)?,
        Command::Simulate(args) => simulate::run(&args, &mut out)?,
        Command::Render(args) => {
            render_one::run(&args, &Environment::of_process(), &mut out)?;
        }
        Command::Check(args) => check::run(&args, &Environment::of_process(), &mut out)?,
        Command::Route(args) => route::run(&args, &mut out)?,
        Command::Ops(args) => ops::run(&args, &Environment::of_process(), &mut out)?,
        Command::Serve(args) => serve::run(&args, &mut out)?,
        Command::Providers(args) => providers::run(&args, &mut out)?,
    }
    Ok(out.flush()?)
}
