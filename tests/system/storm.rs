//! Everything goes wrong at once, by chance: throttles, lost acknowledgements, conflicts, duplicates,
//! overtaking, and a provider with faults of every kind.

use serde_json::json;
use tryon_core::{memory::Rates, settings::Settings};
use tryon_local::world::World;
use tryon_sandbox::{CallKind, Fault, Rule, When};

use crate::support::{self, body};

const RENDERS: usize = 120;

fn faults() -> Vec<Rule> {
    let some = |kind, fault| Rule::new(When::kind(kind).probability(0.05), fault);
    vec![
        some(CallKind::Online, Fault::status(503)),
        some(CallKind::Online, Fault::status(500)),
        some(CallKind::Online, Fault::LoseAnswer),
        some(CallKind::Online, Fault::finish("NO_IMAGE")),
        some(CallKind::Online, Fault::refused()),
        some(CallKind::Online, Fault::RefuseConnection),
        some(CallKind::Upload, Fault::status(500)),
        some(CallKind::Create, Fault::status(429)),
        some(CallKind::Create, Fault::LoseAnswer),
        some(CallKind::Create, Fault::FailJob),
        some(CallKind::Create, Fault::ReorderRows),
        some(CallKind::Row, Fault::MissingRow { billed: true }),
        some(CallKind::Row, Fault::DuplicateRow),
        some(CallKind::Row, Fault::ErrorRow { code: 13 }),
        some(CallKind::Row, Fault::refused()),
        some(CallKind::Get, Fault::status(503)),
        some(CallKind::List, Fault::LoseAnswer),
        some(CallKind::Download, Fault::CutDownload { after_rows: 3 }),
        some(CallKind::Token, Fault::status(500)),
    ]
}

fn faults_of_the_chain() -> Vec<Rule> {
    let some = |kind, fault| Rule::new(When::kind(kind).probability(0.05), fault);
    let mut rules = faults();
    rules.extend([
        some(CallKind::PredictionCreate, Fault::status(429)),
        some(CallKind::PredictionCreate, Fault::status(500)),
        some(CallKind::PredictionCreate, Fault::LoseAnswer),
        some(CallKind::PredictionCreate, Fault::RefuseConnection),
        some(CallKind::Prediction, Fault::failed("E9828")),
        some(CallKind::Prediction, Fault::failed("E005")),
        some(CallKind::Prediction, Fault::fail("list index out of range")),
        some(CallKind::Prediction, Fault::EmptyOutput),
        some(CallKind::Prediction, Fault::Stick { seconds: None }),
        some(CallKind::PredictionGet, Fault::status(502)),
        some(CallKind::PredictionGet, Fault::OddStatus { status: "pondering".to_owned() }),
        some(CallKind::PredictionList, Fault::LoseAnswer),
        some(CallKind::PredictionCancel, Fault::status(500)),
        some(CallKind::Delivery, Fault::CutPicture { after_bytes: 100 }),
        some(CallKind::Delivery, Fault::status(404)),
    ]);
    rules
}

async fn storm(seed: u64, world: World) {
    world.chaos.set_rates(Rates::all(150));
    let bodies: Vec<_> = (0..RENDERS)
        .map(|number| {
            let mut body = body(if number % 3 == 0 { "online" } else { "batch" }, "");
            body["user_id"] = json!(format!("shopper-{number}"));
            body["quality"] = json!(if number % 10 == 0 { "4k" } else { "sd" });
            body
        })
        .collect();
    let renders = support::play(&world, &bodies).await;
    assert_eq!(renders.len(), RENDERS);
    assert!(support::succeeded(&renders) > RENDERS / 2, "seed {seed}: hardly any picture");
    support::check(&world);
}

#[tokio::test(start_paused = true)]
async fn every_render_ends_and_no_cent_is_lost() {
    for seed in 0..20 {
        storm(seed, support::world(seed, settings(), faults()).await).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nor_is_one_lost_along_the_chain() {
    for seed in 0..20 {
        let half = Settings { traffic_percent: "50".parse().unwrap(), ..settings() };
        storm(seed, support::whole_world(seed, half, faults_of_the_chain()).await).await;
    }
}

fn settings() -> Settings {
    Settings { max_batch_size: 8, ..support::settings() }
}
