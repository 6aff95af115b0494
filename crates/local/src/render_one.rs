//! `tryon render`: one picture in real time, and why it came out as it did.

use std::{
    fs,
    io::{Cursor, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tryon_core::{
    catalogue::Quality,
    chain::Step,
    lane::Lane,
    memory::TokioClock,
    picture::{Mime, PictureRef},
    ports::{Clock, Objects},
    render::{Render, RenderStatus},
    request::MAX_GARMENTS,
    routing::Percent,
    settings::Settings,
};
use tryon_lambda::environment::Environment;
use tryon_sandbox::SandboxConfig;

use crate::{
    check, cli, explain, files,
    google::{self, Google},
    interrupt::Interrupt,
    replicate, run,
    world::{Refused, World, WorldConfig},
};

/// How often the screen follows the render.
const GLANCE: Duration = Duration::from_millis(100);

/// Runs the command, writing the explanation to `out`.
pub fn run(args: &cli::RenderOne, environment: &Environment, out: &mut impl Write) -> Result<()> {
    let interrupt = Interrupt::watch()?;
    let format = Format::of(&args.out)?;
    files::check(&args.out).context("-o")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (world, render) = runtime.block_on(play(args, environment, &interrupt))?;
    let picture = match &render.status {
        RenderStatus::Succeeded { picture, .. } => Some(picture.clone()),
        _ => None,
    };
    let mut written = None;
    if let Some(PictureRef { key, .. }) = &picture {
        let bytes = format.encode(&runtime.block_on(run::read(&world.objects, key))?)?;
        files::write(&args.out, &bytes).context("-o")?;
        written = Some(bytes.len());
    }
    explain::write(&world, &render, out)?;
    let Some(bytes) = written else {
        out.flush()?;
        bail!("the render ended without a picture");
    };
    writeln!(out, "\n{} ({} kB)", args.out.display(), bytes.div_ceil(1_000))?;
    Ok(())
}

async fn play(
    args: &cli::RenderOne,
    environment: &Environment,
    interrupt: &Interrupt,
) -> Result<(World, Render)> {
    ensure!(args.garment.len() <= MAX_GARMENTS, "--garment: give at most {MAX_GARMENTS}");
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::real());
    let seed = clock.now().timestamp_nanos_opt().unwrap_or_default().unsigned_abs();
    let sandbox = SandboxConfig { seed, ..SandboxConfig::default() }.taking(args.latency);
    let mut settings = Settings {
        enable_gemini_batch: true,
        traffic_percent: Percent::FULL,
        ..Settings::default()
    };
    let live = |side| side == cli::Side::Live;
    let mut google = Google::default();
    if live(args.google) {
        settings = google::settings(&args.live, settings)?;
        google = google::live(&args.live, environment)?;
        check::credentials(&google, settings.clone(), clock.clone()).await?;
    }
    let mut replicate = None;
    if live(args.replicate) {
        let way = replicate::live(&args.live_replicate, environment)?;
        check::token(&way, clock.clone()).await?;
        replicate = Some(way);
        if !live(args.google) {
            settings.traffic_percent = Percent::ZERO;
        }
    }
    let steps = steps(live(args.google), live(args.replicate));
    let world = World::new(
        WorldConfig {
            seed,
            settings,
            sandbox,
            google,
            replicate,
            steps,
            weigh_results: false,
            record_events: false,
            ..WorldConfig::default()
        },
        clock,
    )?;
    let body = upload(args, &world).await?;
    let follow = async {
        let id = world.accept(&body, "from-the-command-line").await;
        let id = id.map_err(|error| match error.downcast_ref::<Refused>() {
            Some(Refused { field: Some(field), detail, .. }) => {
                anyhow!("{}: {detail}", flag(field))
            }
            _ => error,
        })?;
        follow(args, &world, &id, interrupt).await
    };
    let render = world.serve_until(follow).await?;
    Ok((world, render))
}

/// Where the render may go: what the sandbox draws is no picture to fall back on from a real one.
/// Pictures that ride in a request are too small to be enlarged.
const fn steps(google: bool, replicate: bool) -> &'static [Step] {
    match (google, replicate) {
        (false, false) => &Step::ALL,
        (true, false) => &[Step::Gemini],
        (false, true) => &[Step::NanoBanana, Step::PhotoMaker, Step::Sdxl],
        (true, true) => &[Step::Gemini, Step::NanoBanana, Step::PhotoMaker, Step::Sdxl],
    }
}

/// What the file is to hold.
#[derive(Clone, Copy)]
enum Format {
    /// As it came.
    Jpeg,
    Png,
}

impl Format {
    fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "jpg" | "jpeg" => Ok(Self::Jpeg),
            "png" => Ok(Self::Png),
            _ => bail!("-o {}: give a name that ends in .jpg or .png", path.display()),
        }
    }

    fn encode(self, jpeg: &Bytes) -> Result<Bytes> {
        match self {
            Self::Jpeg => Ok(jpeg.clone()),
            Self::Png => {
                let picture = image::load_from_memory(jpeg).context("the result is no picture")?;
                let mut png = Cursor::new(Vec::new());
                picture.write_to(&mut png, image::ImageFormat::Png)?;
                Ok(Bytes::from(png.into_inner()))
            }
        }
    }
}

/// The flag that a field of the API comes from.
fn flag(field: &str) -> &str {
    match field {
        "user_id" => "the user (--user)",
        "person.photo" => "--person",
        "prompt" => "--prompt",
        "deadline_seconds" => "--deadline",
        "lane" => "--lane",
        "quality" => "--quality",
        field if field.ends_with(".category") => "--category",
        field if field.starts_with("garments") => "--garment",
        field => field,
    }
}

/// Puts the pictures where uploads go; gives the request's body.
async fn upload(args: &cli::RenderOne, world: &World) -> Result<Value> {
    put(world, "in/person", &args.person, "--person").await?;
    let mut garments = Vec::with_capacity(args.garment.len());
    for (i, path) in args.garment.iter().enumerate() {
        let key = format!("in/garment-{i}");
        put(world, &key, path, "--garment").await?;
        let category = args.category.get(i).or(args.category.last());
        garments.push(json!({"photo": key, "category": category}));
    }
    let mut body = json!({
        "user_id": args.user,
        "person": {"photo": "in/person"},
        "garments": garments,
        "quality": Quality::from(args.quality),
        "prompt": args.prompt,
    });
    if let Some(lane) = args.lane {
        body["lane"] = json!(Lane::from(lane));
    }
    if let Some(deadline) = args.deadline {
        body["deadline_seconds"] = json!(deadline);
    }
    Ok(body)
}

async fn put(world: &World, key: &str, path: &Path, flag: &str) -> Result<()> {
    let read = || format!("{flag} {}: cannot be read", path.display());
    let bytes = Bytes::from(fs::read(path).with_context(read)?);
    let Some(mime) = Mime::sniff(&bytes) else {
        bail!("{flag} {}: give a JPEG, PNG or WebP picture", path.display());
    };
    Ok(world.objects.put(key, bytes, mime).await?)
}

/// Shows how far the render is, until it ends.
async fn follow(
    args: &cli::RenderOne,
    world: &World,
    id: &str,
    interrupt: &Interrupt,
) -> Result<Render> {
    let style = ProgressStyle::with_template("{bar:40} {elapsed} {msg}")?;
    let bar = ProgressBar::new(1).with_style(style);
    loop {
        interrupt.check()?;
        let rows = world.database.renders();
        let render = rows.into_iter().find(|render| render.id.as_str() == id);
        let render = render.context("the render is gone")?;
        // Nobody knows how long Google takes; the bar shows the time to the deadline.
        let deadline = (render.deadline_at - render.accepted_at).num_milliseconds();
        bar.set_length(deadline.unsigned_abs());
        bar.set_position(
            (world.clock.now() - render.accepted_at).num_milliseconds().unsigned_abs(),
        );
        bar.set_message(format!("{} {}: {}", args.user, render.lane, render.status.as_str()));
        if render.is_ended() && render.owed.is_empty() {
            bar.finish_and_clear();
            return Ok(render);
        }
        world.clock.sleep(GLANCE).await;
    }
}
