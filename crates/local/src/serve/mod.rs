//! `tryon serve`: the HTTP API on this machine, in real time.

mod gateway;
mod keeper;
mod pictures;
mod problem;
#[cfg(test)]
mod tests;
mod token;
mod wire;

use std::{
    future::{Future, IntoFuture},
    io::Write,
    net::Ipv4Addr,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use axum::serve::ListenerExt;
use futures_util::future::{self, Either};
use tokio::net::TcpListener;
use tryon_core::{memory::TokioClock, ports::Clock};
use tryon_sandbox::{Pictures as Drawing, SandboxConfig};

use self::{gateway::Gateway, pictures::Pictures, token::Tokens};
use crate::{
    cli,
    interrupt::{Interrupt, Interrupted},
    knobs_file::FileSettings,
    world::{World, WorldConfig},
};

/// What is logged where nobody says otherwise: a line a request, a line a render, and trouble.
pub const LOGS: &str = "warn,tryon_local=info";
/// What a canned picture weighs, in bytes.
const CANNED: usize = 1_000;

/// Serves until Ctrl-C; tells on `out` where, and how to begin.
pub fn run(args: &cli::Serve, out: &mut impl Write) -> Result<()> {
    let interrupt = Interrupt::watch()?;
    // With several threads the API answers while a picture is being drawn.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(args, &interrupt, out))
}

async fn serve(args: &cli::Serve, interrupt: &Interrupt, out: &mut impl Write) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::real());
    let tokens = tokens(args, clock.clone())?;
    let (listener, address) = bind(args.port).await?;
    let cache = Duration::from_secs(args.cache_seconds.into());
    let knobs = FileSettings::open(&args.knobs, cache, clock.clone())
        .with_context(|| format!("--knobs {}", args.knobs.display()))?;
    let now = clock.now().timestamp_nanos_opt().unwrap_or_default().unsigned_abs();
    let seed = args.seed.unwrap_or(now);
    let knobs = Arc::new(knobs);
    let config = WorldConfig {
        seed,
        knobs: Some(knobs.clone()),
        turns: Some(knobs),
        sandbox: sandbox(args, seed),
        pictures_url: format!("{address}{}", pictures::PATH),
        hourly_limit: args.hourly_limit,
        ..WorldConfig::default()
    };
    let world = World::new(config, clock.clone())?;
    let gateway = Gateway::new(&world, tokens.map(Arc::new), seed);
    let app = gateway::app(gateway, Pictures::of(&world), &args.cors)?;
    greet(args, &address, out)?;

    let stop = Arc::new(tokio::sync::Notify::new());
    let stopped = stop.clone();
    let server = axum::serve(listener, app)
        .with_graceful_shutdown(async move { stopped.notified().await })
        .into_future();
    // A task of its own, so that requests are taken while a function is at work.
    let server = tokio::spawn(server);
    let kept = keeper::keep(&world);
    let until = async {
        interrupt.clone().pressed(clock.clone()).await;
        stop.notify_one();
        // Who is being answered gets the answer, if it comes in the gateway's time.
        drop(future::select(server, clock.sleep(gateway::TIMEOUT)).await);
        Err(Interrupted.into())
    };
    world.serve_until(first(until, kept)).await
}

fn tokens(args: &cli::Serve, clock: Arc<dyn Clock>) -> Result<Option<Tokens>> {
    let Some(path) = &args.jwks else {
        return Ok(None);
    };
    let failed = || format!("--jwks {}", path.display());
    let set = std::fs::read_to_string(path).context("it cannot be read").with_context(failed)?;
    let tokens = Tokens::new(&set, args.issuer.clone(), args.audience.clone(), clock);
    tokens.with_context(failed).map(Some)
}

/// A listener on this machine alone, and its address.
async fn bind(
    port: u16,
) -> Result<(impl axum::serve::Listener<Addr = std::net::SocketAddr>, String)> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let bound = bound.with_context(|| {
        format!("--port {port}: it cannot be had; give another, or 0 for any that is free")
    })?;
    let address = format!("http://{}", bound.local_addr()?);
    // Small answers leave at once.
    let listener = bound.tap_io(|connection| drop(connection.set_nodelay(true)));
    Ok((listener, address))
}

fn sandbox(args: &cli::Serve, seed: u64) -> SandboxConfig {
    let pictures = if args.canned { Drawing::Canned { bytes: CANNED } } else { Drawing::default() };
    SandboxConfig { seed, pictures, ..SandboxConfig::default() }.taking(args.latency)
}

fn greet(args: &cli::Serve, address: &str, out: &mut impl Write) -> Result<()> {
    let callers = match &args.jwks {
        Some(path) => format!("bearer tokens signed by a key of {}", path.display()),
        None => "trusted backends, which name the user in user_id".to_owned(),
    };
    writeln!(out, "serving  {address} (everything is in memory; Ctrl-C ends it)")?;
    writeln!(out, "knobs    {}, read every {} s", args.knobs.display(), args.cache_seconds)?;
    writeln!(out, "callers  {callers}")?;
    writeln!(out, "try      curl -s {address}/v1/health")?;
    Ok(out.flush()?)
}

/// The end of `until`, beside work that has none.
async fn first<T>(until: impl Future<Output = T>, endless: impl Future<Output = ()>) -> T {
    match future::select(pin!(until), pin!(endless)).await {
        Either::Left((done, _)) => done,
        Either::Right(((), until)) => until.await,
    }
}
