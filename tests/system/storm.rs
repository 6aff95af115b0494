//! Everything goes wrong at once, by chance: throttles, lost acknowledgements, conflicts, duplicates,
//! overtaking, and a provider with faults of every kind.

use std::time::Duration;

use serde_json::json;
use tryon_core::{budget::Account, memory::Rates, routing::Route, settings::Settings};
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
        some(CallKind::Create, Fault::FailJob { code: 13 }),
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

/// A thousand renders of both routes' chains, each kind of call failing one time in twenty, jobs that
/// stand still for hours among them, so that some are rescued; and an outage of Google on top, which
/// opens the breaker.
#[tokio::test(start_paused = true)]
async fn a_thousand_renders_with_the_breaker_and_rescues() {
    let mut rules = faults_of_the_chain();
    let stuck = When::kind(CallKind::Create).probability(0.2);
    rules.push(Rule::new(stuck, Fault::StickPending { seconds: Some(14_400) }));
    let outage = When::kind(CallKind::Online);
    let outage = outage.between(Duration::from_secs(300), Duration::from_secs(600));
    rules.insert(0, Rule::new(outage, Fault::status(500)));
    let world = support::whole_world(7, settings(), rules).await;
    world.chaos.set_rates(Rates::all(150));
    let bodies: Vec<_> = (0..1_000)
        .map(|number| {
            let mut body = body(if number % 3 == 0 { "online" } else { "batch" }, "");
            body["user_id"] = json!(format!("shopper-{number}"));
            body["quality"] = json!(if number % 10 == 0 { "4k" } else { "sd" });
            if number % 3 != 0 {
                body["deadline_seconds"] = json!(3_600);
            }
            body
        })
        .collect();
    let script = async {
        for (number, body) in bodies.iter().enumerate() {
            support::accept(&world, body, &format!("key-{number}")).await;
            world.clock.sleep(Duration::from_secs(1)).await;
        }
        support::settle(&world, bodies.len()).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let renders = support::renders(&world);
    let rescued =
        renders.iter().filter(|r| r.rescue.as_ref().is_some_and(|r| r.attempt().is_some()));
    let rescued = rescued.count();
    let elsewhere =
        renders.iter().filter(|r| (r.assigned, r.served) == (Route::Gemini, Route::Legacy)).count();
    let twice = renders.iter().filter(|render| render.costs.len() > 1).count();
    let (done, bill) = (support::succeeded(&renders), world.sandbox.bill());
    println!(
        "{done} of {} with a picture; {rescued} rescued, {elsewhere} diverted, {twice} with more than \
         one bill, {} bills, {:?}",
        renders.len(),
        bill.charges.len(),
        support::balance_of(&world, &[Account::Google, Account::Replicate]),
    );
    assert!(done > 900 && rescued > 0 && elsewhere > 0);
    support::check(&world);
}

fn settings() -> Settings {
    Settings { max_batch_size: 8, ..support::settings() }
}
