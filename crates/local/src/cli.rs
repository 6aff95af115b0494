//! The `tryon` command line.

use std::{net::Ipv4Addr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use tryon_core::{catalogue::Quality, lane::Lane, routing::Percent};

/// The salt of the rollout in local runs.
pub const SALT: &str = "rollout";

/// A virtual try-on render pipeline, whole, on this machine.
#[derive(Debug, Parser)]
#[command(name = "tryon", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// A slice of a shop's day through the whole pipeline, in virtual time, with a report
    Demo(Demo),
    /// Many renders with canned pictures in virtual time: what the pipeline itself costs
    Simulate(Simulate),
    /// One picture, in real time, with an explanation
    Render(RenderOne),
    /// Whether Google can be reached with the credentials at hand, or a catalogue be used; buys nothing
    Check(Check),
    /// Which route a user takes at a percentage, and why
    Route(Route),
    /// What operators see and do, through the HTTP API of a deployment or of `serve`
    ///
    /// Requests are signed with the AWS credentials in the environment (`AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`), but for those to this machine.
    Ops(Ops),
    /// The HTTP API on this machine, in real time
    ///
    /// Listens on 127.0.0.1 and speaks to the sandbox. Everything is in memory and gone at the end: a
    /// render a day after it ended, an upload after seven days. Every caller is a trusted backend that
    /// names the user, unless --jwks is given.
    Serve(Serve),
    /// The sandbox alone on a port, for functions that run elsewhere
    ///
    /// Stands in for Google and for Replicate at one address, with secrets of its own, which it writes
    /// down. A prediction's inputs are not fetched: whatever their address, they show the same person.
    Providers(Providers),
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Where pictures and the contact sheet go
    #[arg(long, default_value = "out")]
    pub out: PathBuf,
    /// The same seed tells the same story
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// How many renders come in
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(100..=1_000))]
    pub renders: u32,
}

#[derive(Debug, Args)]
pub struct Simulate {
    /// How many renders come in
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub renders: u32,
    /// The same seed tells the same story
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// How many hours of virtual time they are spread over
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=240))]
    pub hours: u32,
}

#[derive(Debug, Args)]
pub struct RenderOne {
    /// Photo of the person (JPEG, PNG or WebP)
    #[arg(long, value_name = "PICTURE")]
    pub person: PathBuf,
    /// Photo of a garment; once for each of up to five garments
    #[arg(long, value_name = "PICTURE", required = true)]
    pub garment: Vec<PathBuf>,
    /// Kind of each garment, in the same order; the last one counts for the rest
    #[arg(long, value_name = "WORD", default_value = "garment")]
    pub category: Vec<String>,
    /// What the customer asks for: size and care
    #[arg(long, value_enum, default_value_t = QualityArg::Hd)]
    pub quality: QualityArg,
    /// Left out, the lane follows the deadline
    #[arg(long, value_enum)]
    pub lane: Option<LaneArg>,
    /// Seconds the picture may take, up to a week
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=604_800))]
    pub deadline: Option<u32>,
    /// A wish in your own words
    #[arg(long, default_value = "")]
    pub prompt: String,
    /// Who asks
    #[arg(long, default_value = "alice")]
    pub user: String,
    /// How long the sandbox takes for the picture, in seconds; left out, as long as Google does
    #[arg(long, value_name = "SECONDS")]
    pub latency: Option<u32>,
    /// Who draws: the sandbox, or the real Google for real money, without other providers after it
    #[arg(long, value_enum, default_value_t = Side::Sandbox, conflicts_with_all = ["latency"])]
    pub google: Side,
    #[command(flatten)]
    pub live: LiveGoogle,
    /// Who draws on the legacy route and along the chain: the sandbox, or the real Replicate for real
    /// money; without a real Google, the legacy route
    #[arg(long, value_enum, default_value_t = Side::Sandbox, conflicts_with_all = ["latency"])]
    pub replicate: Side,
    #[command(flatten)]
    pub live_replicate: LiveReplicate,
    /// Where the picture goes; its ending says the format, .jpg or .png
    #[arg(short, long, default_value = "out.jpg", value_name = "FILE")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct Check {
    #[arg(value_enum)]
    pub what: Checked,
    /// The catalogue that is to take the place of the built-in one
    #[arg(value_name = "FILE", required_if_eq("what", "catalogue"))]
    pub file: Option<PathBuf>,
    /// Ask the real provider; left out, the sandbox stands in for it
    #[arg(long)]
    pub live: bool,
    #[command(flatten)]
    pub google: LiveGoogle,
    #[command(flatten)]
    pub replicate: LiveReplicate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Checked {
    Google,
    Replicate,
    Catalogue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    Sandbox,
    Live,
}

/// How the real Google is reached. Secrets come from files and the environment, never from here.
#[derive(Clone, Debug, Default, Args)]
pub struct LiveGoogle {
    /// Live: the service account's key file; left out, the one that `GOOGLE_APPLICATION_CREDENTIALS` names
    #[arg(long, value_name = "FILE")]
    pub google_key_file: Option<PathBuf>,
    /// Live: a file that holds an API key; left out, the key in `GEMINI_API_KEY`
    #[arg(long, value_name = "FILE")]
    pub google_api_key_file: Option<PathBuf>,
    /// Live: which product draws; left out, Vertex with a key file, the Developer API with an API key
    #[arg(long, value_enum)]
    pub google_host: Option<HostArg>,
    /// Live: how the Developer API is told who asks; left out, by what there is
    #[arg(long, value_enum)]
    pub google_auth: Option<AuthArg>,
    /// Live: where `:predict` models run
    #[arg(long, value_name = "REGION")]
    pub google_region: Option<String>,
    /// Live: the project whose quota counts, in a header
    #[arg(long, value_name = "PROJECT")]
    pub google_user_project: Option<String>,
    /// Live: how Vertex is told size and ratio
    #[arg(long, value_enum)]
    pub google_image_form: Option<FormArg>,
    /// Live: a base URL in place of Google's own hosts
    #[arg(long, value_name = "URL")]
    pub google_endpoint: Option<String>,
}

/// How the real Replicate is reached. The token comes from a file or the environment, never from here.
#[derive(Clone, Debug, Default, Args)]
pub struct LiveReplicate {
    /// Live: a file that holds the API token; left out, the token in `REPLICATE_API_TOKEN`
    #[arg(long, value_name = "FILE")]
    pub replicate_token_file: Option<PathBuf>,
    /// Live: a base URL in place of Replicate's own hosts
    #[arg(long, value_name = "URL")]
    pub replicate_endpoint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HostArg {
    Vertex,
    Developer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuthArg {
    Bearer,
    ApiKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormArg {
    ImageConfig,
    ResponseFormat,
}

#[derive(Debug, Args)]
pub struct Route {
    /// The user
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub user: Option<String>,
    /// A file of users, one a line: prints how they split
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// 0 to 100, with at most two decimals
    #[arg(long, allow_negative_numbers = true)]
    pub percent: Percent,
    /// One salt per decision; the rollout's never changes during a ramp
    #[arg(long, default_value = SALT)]
    pub salt: String,
}

#[derive(Debug, Args)]
pub struct Ops {
    /// Where the API answers, such as the stack's output `ApiUrl`
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// The AWS region; left out, the one in the URL or the environment
    #[arg(long)]
    pub region: Option<String>,
    /// The answer as it came, for scripts
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: OpsCommand,
}

#[derive(Debug, Subcommand)]
pub enum OpsCommand {
    /// The house on one screen
    Status,
    /// The share of users on the Gemini route
    #[command(subcommand)]
    Traffic(TrafficCommand),
    /// The money of today
    Budget,
    /// The batches that have not ended
    Batches,
    /// Why a render went where it went, and whether that is what is stored
    Explain {
        /// Its id
        render: String,
    },
    /// The gates of the ramp
    Gates,
    /// Leaves a gate out for a while
    Waive(Waive),
    /// Sends what was put aside from a queue there again
    Redrive {
        /// Such as imagen-jobs
        queue: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Erases photos, pictures and rows of a user, and prints a receipt
    Forget {
        user: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum TrafficCommand {
    /// Where it stands
    Get,
    /// Sets traffic-percent
    Set {
        /// 0 to 100, with at most two decimals
        percent: Percent,
        /// Why; kept. Needed after a roll-back, and with --force
        #[arg(long)]
        reason: Option<String>,
        /// Though a gate fails
        #[arg(long, requires = "reason")]
        force: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct Waive {
    /// cost, latency, failures, quality or budget
    pub gate: String,
    /// Why; kept
    #[arg(long)]
    pub reason: String,
    /// For how long; 0 ends an earlier waiver
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=30))]
    pub days: u32,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// The port; 0 for any that is free
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// The knobs, as a TOML file that may be changed at any time; made where there is none
    #[arg(long, value_name = "FILE", default_value = "tryon.toml")]
    pub knobs: PathBuf,
    /// How long the knobs may be out of date
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub cache_seconds: u32,
    /// How long the sandbox takes for a picture; left out, as long as the providers do
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=86_400))]
    pub latency: Option<u32>,
    /// Public keys (a JWK set); callers then need a bearer token, and are its subject
    #[arg(long, value_name = "FILE")]
    pub jwks: Option<PathBuf>,
    /// The issuer a token must have
    #[arg(long, requires = "jwks")]
    pub issuer: Option<String>,
    /// An audience (or client id) a token may have; once for each
    #[arg(long, requires = "jwks")]
    pub audience: Vec<String>,
    /// A web page's origin that may call the API, or *; once for each
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub cors: Vec<String>,
    /// Canned pictures instead of drawn ones, for load tests
    #[arg(long)]
    pub canned: bool,
    /// How many renders a user may have in an hour
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub hourly_limit: u32,
    /// What chance is drawn from; left out, from the time
    #[arg(long)]
    pub seed: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Providers {
    /// The port; 0 for any that is free
    #[arg(long, default_value_t = 8090)]
    pub port: u16,
    /// The address to listen at, such as that of Docker's bridge
    #[arg(long, value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST)]
    pub host: Ipv4Addr,
    /// Where functions find it, when that is not where it listens
    #[arg(long, value_name = "URL", value_parser = origin)]
    pub url: Option<String>,
    /// The folder for service-account.json and token.txt, which functions want as their secrets
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub secrets: PathBuf,
    /// How long a picture takes; left out, as long as the providers do
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=86_400))]
    pub latency: Option<u32>,
}

/// A scheme and an authority, as browsers send it.
fn origin(text: &str) -> Result<String, String> {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_origin = authority.is_some_and(|authority| {
        !authority.is_empty() && authority.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
    });
    if text == "*" || is_origin {
        Ok(text.to_owned())
    } else {
        Err("give * or an origin such as http://localhost:3000, without a path".to_owned())
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum QualityArg {
    Sd,
    Hd,
    #[value(name = "4k")]
    FourK,
}

impl From<QualityArg> for Quality {
    fn from(arg: QualityArg) -> Self {
        match arg {
            QualityArg::Sd => Self::Sd,
            QualityArg::Hd => Self::Hd,
            QualityArg::FourK => Self::FourK,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LaneArg {
    Online,
    Batch,
}

impl From<LaneArg> for Lane {
    fn from(arg: LaneArg) -> Self {
        match arg {
            LaneArg::Online => Self::Online,
            LaneArg::Batch => Self::Batch,
        }
    }
}
