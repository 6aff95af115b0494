//! Faults of the providers.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tryon_core::{catalogue::Catalogue, chain::Step, money::Micros, settings::Settings};
use tryon_local::world::WorldConfig;
use tryon_sandbox::{CallKind, Fault, JobTime, Latency, Nth, Rule, SandboxConfig, When};

use super::{ask, made, minutes, of_user, percent, world};
use crate::{
    alarms::tape::Tape,
    support::{self, body},
};

const CATALOGUE: &str = include_str!("../../../../crates/core/catalogue.toml");

/// Google takes our key for a stranger's.
pub(crate) async fn refused(tape: &Tape) {
    let refused = |kind| Rule::new(When::kind(kind), Fault::status(401));
    let rules = vec![refused(CallKind::Online), refused(CallKind::Create)];
    let world = world(tape, support::settings(), rules).await;
    let bodies = [body("online", ""), body("batch", "")];
    tape.play(&world, async {
        // A breaker stays open for a minute, and is looked at by the minute.
        world.clock.sleep(Duration::from_secs(40)).await;
        ask(&world, &bodies, Duration::ZERO).await;
        world.clock.sleep(minutes(2)).await;
    })
    .await;
}

/// Nobody has opened Google's API to our project.
pub(crate) async fn lacking(tape: &Tape) {
    let fault = Fault::Refuse { code: 403, reason: "SERVICE_DISABLED".to_owned() };
    let rules = vec![Rule::new(When::kind(CallKind::List), fault)];
    let world = world(tape, support::settings(), rules).await;
    tape.play(&world, world.clock.sleep(minutes(31))).await;
}

/// Replicate wants money first.
pub(crate) async fn denied(tape: &Tape) {
    let rules = vec![Rule::new(When::kind(CallKind::PredictionCreate), Fault::status(402))];
    let settings = Settings { traffic_percent: percent(0), ..support::settings() };
    let world = world(tape, settings, rules).await;
    let script = async {
        // A breaker stays open for a minute, and is looked at by the minute.
        world.clock.sleep(Duration::from_secs(40)).await;
        support::accept(&world, &body("online", ""), "key").await;
        world.clock.sleep(minutes(2)).await;
    };
    tape.play(&world, script).await;
}

/// Both providers answer: Google draws four of five, Nano Banana none.
pub(crate) async fn failing(tape: &Tape) {
    let banana = When::kind(CallKind::Prediction).key(format!("/{}/", Step::NanoBanana));
    let failed = Fault::Fail { error: "no luck".to_owned() };
    let rules = vec![
        Rule::new(When::kind(CallKind::Online).nth(Nth::Every(5)), Fault::status(400)),
        Rule::new(banana, failed),
    ];
    let settings = Settings { traffic_percent: percent(50), ..support::settings() };
    let world = world(tape, settings, rules).await;
    let bodies: Vec<Value> = (0..160).map(|number| of_user(number, "online", "sd")).collect();
    tape.play(&world, ask(&world, &bodies, Duration::from_secs(10))).await;
}

/// Everything comes, and late: a call takes nearly two minutes, a job forty, and the first answer to each
/// large one has no picture.
pub(crate) async fn slow(tape: &Tape) {
    let bodies: Vec<Value> = (0..615)
        .map(|number| match number % 3 {
            0 => of_user(number, "online", "sd"),
            1 => {
                let mut body = of_user(number, "online", "4k");
                body["prompt"] = json!(format!("as number {number}."));
                body
            }
            _ => {
                let mut body = of_user(number, "batch", "sd");
                body["deadline_seconds"] = json!(1_800);
                body
            }
        })
        .collect();
    let first = |number: usize| {
        let first = When::kind(CallKind::Online).prompt(format!("as number {number}."));
        Rule::new(first.nth(Nth::First(1)), Fault::finish("NO_IMAGE"))
    };
    let sandbox = SandboxConfig {
        latency: Latency::Fixed(Duration::from_secs(110)),
        job_time: JobTime::Fixed(minutes(40)),
        ..support::quick(1, (1..615).step_by(3).map(first).collect())
    };
    let config = WorldConfig {
        settings: support::settings(),
        sandbox,
        rescue_budget: Micros::ZERO,
        // It would take them away from Google before there are enough for a P95.
        rollout_every: minutes(24 * 60),
        ..WorldConfig::default()
    };
    let world = made(tape, config).await;
    tape.play(&world, ask(&world, &bodies, Duration::from_secs(6))).await;
}

/// Google takes a model away, and another has its date.
pub(crate) async fn retiring(tape: &Tape) {
    let gone = When::kind(CallKind::Online).model("gemini-nano-banana-2.1");
    let successor = "successor = \"nano-banana-lite\"\n";
    let dated = CATALOGUE.replacen(
        successor,
        "successor = \"nano-banana-lite\"\nretires = \"2024-10-20\"\n",
        1,
    );
    let config = WorldConfig {
        settings: support::settings(),
        sandbox: support::quick(1, vec![Rule::new(gone, Fault::status(404))]),
        catalogue: Some(Arc::new(Catalogue::parse(&dated).unwrap())),
        ..WorldConfig::default()
    };
    let world = made(tape, config).await;
    let script = async {
        ask(&world, &[body("online", "")], Duration::ZERO).await;
        world.clock.sleep(minutes(2)).await;
    };
    tape.play(&world, script).await;
}

/// The catalogue believes that a picture has half the tokens that it has, and allows for little else.
pub(crate) async fn dear(tape: &Tape) {
    let at = CATALOGUE.find("[entry.nano-banana-1k-medium]").unwrap();
    let (before, after) = CATALOGUE.split_at(at);
    let after = after.replacen("image_tokens = 1120", "image_tokens = 560", 1);
    let after = after.replacen("max_output_tokens = 4096", "max_output_tokens = 2000", 1);
    let config = WorldConfig {
        settings: support::settings(),
        sandbox: support::quick(1, Vec::new()),
        catalogue: Some(Arc::new(Catalogue::parse(&(before.to_owned() + &after)).unwrap())),
        ..WorldConfig::default()
    };
    let world = made(tape, config).await;
    let bodies = [of_user(1, "online", "hd"), of_user(1, "batch", "hd")];
    tape.play(&world, async {
        ask(&world, &bodies, Duration::ZERO).await;
        world.clock.sleep(minutes(1)).await;
    })
    .await;
}

/// A job is with Google for a day and more.
pub(crate) async fn overnight(tape: &Tape) {
    let stuck = Rule::new(When::kind(CallKind::Create), Fault::StickPending { seconds: None });
    let config = WorldConfig {
        settings: support::settings(),
        sandbox: support::quick(1, vec![stuck]),
        rescue_budget: Micros::ZERO,
        ..WorldConfig::default()
    };
    let world = made(tape, config).await;
    let script = async {
        support::accept(&world, &body("batch", ""), "key").await;
        world.clock.sleep(minutes(25 * 60)).await;
    };
    tape.play(&world, script).await;
}
