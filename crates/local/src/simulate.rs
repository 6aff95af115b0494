//! `tryon simulate`: many renders with canned pictures, to see what the pipeline itself costs.

use std::{fs, io::Write, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use bytes::Bytes;
use chrono::{TimeZone, Utc};
use tryon_core::{
    memory::{SeededRandom, TokioClock},
    money::Micros,
    picture::Mime,
    ports::{Clock, Objects},
    routing::Percent,
    settings::Settings,
};
use tryon_sandbox::{Pictures, SandboxConfig};

use crate::{
    arrivals::{self, CANNED_PHOTO, GARMENTS, PERSON},
    cli,
    interrupt::Interrupt,
    report::{self, Facts},
    run,
    world::{World, WorldConfig},
};

/// What a canned picture weighs, in bytes.
const PICTURE: usize = 1_000;

/// Runs the simulation and writes its tables, and what it took, to `out`.
pub fn run(args: &cli::Simulate, out: &mut impl Write) -> Result<()> {
    let interrupt = Interrupt::watch()?;
    let before = resident_kib();
    let facts = run::in_virtual_time(play(args, &interrupt))?;
    report::write_summary(&facts, out)?;
    if let (Some(before), Some(peak)) = (before, peak_kib()) {
        writeln!(out, "\nmemory: {} MiB before, {} MiB at the peak", before / 1_024, peak / 1_024)?;
    }
    Ok(())
}

async fn play(args: &cli::Simulate, interrupt: &Interrupt) -> Result<Facts> {
    let start = Utc.with_ymd_and_hms(2026, 11, 2, 0, 0, 0).single().context("no such time")?;
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(start));
    let world = World::new(
        WorldConfig {
            seed: args.seed,
            settings: Settings {
                enable_gemini_batch: true,
                traffic_percent: Percent::FULL,
                // Enough for all of them: what is measured here is not the breaker.
                daily_budget: Micros::new(u64::from(args.renders) * 1_000_000),
                ..Settings::default()
            },
            sandbox: SandboxConfig {
                seed: args.seed,
                pictures: Pictures::Canned { bytes: PICTURE },
                ..SandboxConfig::default()
            },
            weigh_results: true,
            record_events: false,
            ..WorldConfig::default()
        },
        clock,
    )?;
    let canned = Bytes::from_static(CANNED_PHOTO);
    let photos = GARMENTS.iter().map(|(key, ..)| *key).chain([PERSON]);
    for key in photos {
        world.objects.put(key, canned.clone(), Mime::Jpeg).await?;
    }
    let length = Duration::from_secs(u64::from(args.hours) * 3_600);
    let arrivals = arrivals::steady(args.renders, length, &SeededRandom::new(args.seed));
    let bar = run::progress(args.renders.into());
    let facts = run::day(&world, arrivals, &bar, interrupt).await?;
    bar.finish_and_clear();
    Ok(facts)
}

fn resident_kib() -> Option<u64> {
    status_kib("VmRSS:")
}

fn peak_kib() -> Option<u64> {
    status_kib("VmHWM:")
}

/// A figure of this process, where the system tells it.
fn status_kib(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
