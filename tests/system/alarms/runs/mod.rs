//! Runs of the whole system, each with a fault or two that do not disturb each other.

mod house;
mod providers;

use std::time::Duration;

use serde_json::{Value, json};
use tryon_core::{routing::Percent, settings::Settings};
use tryon_local::world::{World, WorldConfig};
use tryon_sandbox::{CallKind, Fault, Nth, Rule, When};

pub(super) use self::{
    house::{
        crashing, halted, misled, outside, paid_twice, poisoned, spent, stuck, without_database,
    },
    providers::{dear, denied, failing, lacking, overnight, refused, retiring, slow},
};
use super::tape::Tape;
use crate::support::{self, body};

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

fn percent(whole: u16) -> Percent {
    Percent::from_basis_points(100 * whole).unwrap()
}

/// A world with the whole chain, that is watched.
async fn world(tape: &Tape, settings: Settings, rules: Vec<Rule>) -> World {
    made(
        tape,
        WorldConfig { settings, sandbox: support::quick(1, rules), ..WorldConfig::default() },
    )
    .await
}

async fn made(tape: &Tape, config: WorldConfig) -> World {
    let mut world = support::world_of(WorldConfig { seed: 1, ..config }).await;
    tape.watch(&mut world);
    world
}

/// A request of one user of many.
fn of_user(number: usize, lane: &str, quality: &str) -> Value {
    let mut body = body(lane, "");
    body["user_id"] = json!(format!("user-{number}"));
    body["quality"] = json!(quality);
    body
}

/// Accepts them one after the other, and waits for their ends.
async fn ask(world: &World, bodies: &[Value], pause: Duration) {
    for (number, body) in bodies.iter().enumerate() {
        support::accept(world, body, &format!("key-{number}")).await;
        world.clock.sleep(pause).await;
    }
    support::settle(world, bodies.len()).await;
}

/// Two hours of a shop in the middle of the ramp. A call in fifty fails, as they do.
pub(crate) async fn healthy(tape: &Tape) {
    let fails = |kind| Rule::new(When::kind(kind).nth(Nth::Every(50)), Fault::status(500));
    let settings = Settings { traffic_percent: percent(80), ..support::settings() };
    let world = world(tape, settings, vec![fails(CallKind::Online)]).await;
    let bodies: Vec<Value> = (0..720)
        .map(|number| match number % 10 {
            0..=4 => of_user(number, "online", "sd"),
            5 => of_user(number, "online", "hd"),
            6 => of_user(number, "online", "4k"),
            _ => of_user(number, "batch", "sd"),
        })
        .collect();
    tape.play(&world, ask(&world, &bodies, Duration::from_secs(10))).await;
}
