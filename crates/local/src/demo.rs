//! `tryon demo`: a slice of a shop's day through the whole pipeline, in virtual time.

mod day;
mod sheet;

use std::{fs, io::Write, path::Path, sync::Arc};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use chrono::{DateTime, TimeZone, Utc};
use tryon_core::{
    chain::Step,
    memory::{Call, Mishap, SeededRandom, TokioClock},
    picture::Mime,
    ports::{Clock, Objects},
    settings::Settings,
};
use tryon_sandbox::SandboxConfig;

use crate::{
    arrivals::{GARMENTS, PERSON},
    cli, files,
    interrupt::Interrupt,
    report::{self, Facts, RenderFact},
    run,
    world::{World, WorldConfig},
};

/// The photos of the day; sources and licences lie beside them.
const PHOTOS: [(&str, &[u8]); 4] = [
    (PERSON, include_bytes!("../assets/person.jpg")),
    (GARMENTS[0].0, include_bytes!("../assets/garment-shirt.jpg")),
    (GARMENTS[1].0, include_bytes!("../assets/garment-jacket.jpg")),
    (GARMENTS[2].0, include_bytes!("../assets/garment-sweatshirt.jpg")),
];

/// How far the ramp is.
const PERCENT: &str = "50";

/// Runs the day and writes its pictures to `--out` and its tables to `out`.
pub fn run(args: &cli::Demo, out: &mut impl Write) -> Result<()> {
    let interrupt = Interrupt::watch()?;
    let staging = files::staging(&args.out).context("--out")?;
    let (facts, pictures) = run::in_virtual_time(play(args, &interrupt))
        .and_then(|(facts, pictures)| {
            save(&staging, &pictures, &interrupt)?;
            forget_earlier(&args.out)?;
            files::publish(&staging, &args.out).context("--out")?;
            Ok((facts, pictures))
        })
        .inspect_err(|_| files::clear(&staging))?;
    writeln!(
        out,
        "{} renders over {} of virtual time, {PERCENT} % of users on the Gemini route, seed {}",
        facts.renders.len(),
        report::human(span(&facts.renders)),
        args.seed,
    )?;
    report::write(&facts, out)?;
    let folder = args.out.display();
    writeln!(out, "\n{} pictures and contact-sheet.jpg are in {folder}", pictures.len())?;
    Ok(())
}

async fn play(args: &cli::Demo, interrupt: &Interrupt) -> Result<(Facts, Vec<(String, Bytes)>)> {
    let start = Utc.with_ymd_and_hms(2026, 11, 2, 8, 0, 0).single().context("no such time")?;
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(start));
    let world = World::new(
        WorldConfig {
            seed: args.seed,
            settings: Settings {
                enable_gemini_batch: true,
                traffic_percent: PERCENT.parse()?,
                ..Settings::default()
            },
            sandbox: SandboxConfig {
                seed: args.seed,
                faults: day::faults(),
                ..SandboxConfig::default()
            },
            weigh_results: false,
            record_events: false,
            ..WorldConfig::default()
        },
        clock,
    )?;
    for (key, bytes) in PHOTOS {
        world.objects.put(key, Bytes::from_static(bytes), Mime::Jpeg).await?;
    }
    // Some deliveries come twice: from the bus, and from a queue.
    for nth in [3, 9] {
        world.chaos.fail_nth(Call::Deliver, nth, Mishap::Duplicate);
        world.chaos.fail_nth(Call::Receive, 10 * nth, Mishap::Duplicate);
    }
    let arrivals = day::arrivals(args.renders, &SeededRandom::new(args.seed));
    let bar = run::progress(args.renders.into());
    let facts = run::day(&world, arrivals, &bar, interrupt).await?;
    let pictures = results(&world, &facts.renders, start).await?;
    bar.finish_and_clear();
    Ok((facts, pictures))
}

/// Every delivered picture with its file name, in order of arrival.
async fn results(
    world: &World,
    renders: &[RenderFact],
    start: DateTime<Utc>,
) -> Result<Vec<(String, Bytes)>> {
    let mut pictures = Vec::new();
    for (number, render) in renders.iter().enumerate() {
        let Some(picture) = &render.picture else { continue };
        let name = format!(
            "{:03}-{}-{}-{}-{}.{}",
            number + 1,
            render.quality,
            render.lane,
            render.made_by.map_or("unknown", Step::as_str),
            report::human(render.accepted_at - start).replace(' ', ""),
            picture.mime.extension(),
        );
        pictures.push((name, run::read(&world.objects, &picture.key).await?));
    }
    ensure!(!pictures.is_empty(), "no render gave a picture");
    Ok(pictures)
}

fn span(renders: &[RenderFact]) -> chrono::TimeDelta {
    let first = renders.iter().map(|render| render.accepted_at).min();
    let last = renders.iter().filter_map(|r| Some(r.accepted_at + r.took?)).max();
    first.zip(last).map_or(chrono::TimeDelta::zero(), |(first, last)| last - first)
}

fn save(staging: &Path, pictures: &[(String, Bytes)], interrupt: &Interrupt) -> Result<()> {
    let bar = run::progress(2 * pictures.len() as u64).with_message("writing pictures");
    for (name, bytes) in pictures {
        interrupt.check()?;
        fs::write(staging.join(name), bytes).context("--out")?;
        bar.inc(1);
    }
    let sheet = sheet::contact_sheet(pictures, || {
        bar.inc(1);
        Ok(interrupt.check()?)
    })?;
    bar.finish_and_clear();
    fs::write(staging.join("contact-sheet.jpg"), &sheet).context("--out")
}

/// Removes the pictures of an earlier demo, known by their names, so that the folder holds one run.
fn forget_earlier(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let parts: Vec<&str> = name.to_str().unwrap_or_default().split('-').collect();
        let ours = matches!(
            parts.as_slice(),
            [number, "sd" | "hd" | "4k", "online" | "batch", .., _]
                if number.len() >= 3 && number.bytes().all(|b| b.is_ascii_digit())
        );
        if ours {
            fs::remove_file(entry.path()).context("--out")?;
        }
    }
    Ok(())
}
