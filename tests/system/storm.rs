//! Everything goes wrong at once, by chance: throttles, lost acknowledgements, conflicts, duplicates,
//! overtaking, and a provider with faults of every kind.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::json;
use tryon_core::{
    attempt::AttemptState, budget::Account, catalogue::Catalogue, chain::Step, memory::Rates,
    render::Render, settings::Settings,
};
use tryon_local::world::{World, WorldConfig};
use tryon_sandbox::{CallKind, Fault, Rule, When};

use crate::{
    numbers::counted,
    support::{self, body},
};

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
        some(CallKind::Download, Fault::LoseAnswer),
        some(CallKind::Download, Fault::SlowDownload { row_seconds: 30 }),
        some(CallKind::Token, Fault::status(500)),
        some(CallKind::Online, Fault::finish("MAX_TOKENS")),
        some(CallKind::Online, Fault::blocked("PROHIBITED_CONTENT")),
        some(CallKind::Online, Fault::Heavy { bytes: 300_000 }),
        some(CallKind::Row, Fault::finish("MAX_TOKENS")),
        some(CallKind::Row, Fault::blocked("PROHIBITED_CONTENT")),
        some(CallKind::Row, Fault::Heavy { bytes: 300_000 }),
        some(CallKind::Create, Fault::ExpireJob),
        some(CallKind::List, Fault::LagList { seconds: 120 }),
        some(CallKind::List, Fault::LookAlikes { jobs: 10 }),
    ]
}

/// Those that open a breaker at once, or say that the model is gone.
fn faults_of_the_account() -> Vec<Rule> {
    let calls = [CallKind::Online, CallKind::Upload, CallKind::Create, CallKind::Get];
    let all = calls.into_iter().flat_map(|kind| [401, 403, 404].map(|code| (kind, code)));
    let some = |(kind, code)| Rule::new(When::kind(kind).probability(0.05), Fault::status(code));
    all.map(some).collect()
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

/// A thousand renders of both routes' chains, of every wire and lane, each kind of fault striking one
/// call in twenty, jobs that stand still for hours among them, so that some are rescued; and an outage
/// of Google on top, which opens the breaker.
async fn a_thousand(seed: u64, mut rules: Vec<Rule>) -> (Vec<Render>, String) {
    let stuck = When::kind(CallKind::Create).probability(0.2);
    rules.push(Rule::new(stuck, Fault::StickPending { seconds: Some(14_400) }));
    let outage = When::kind(CallKind::Online);
    let outage = outage.between(Duration::from_secs(300), Duration::from_secs(600));
    rules.insert(0, Rule::new(outage, Fault::status(500)));
    let catalogue = include_str!("../../crates/core/catalogue.toml");
    let catalogue =
        catalogue.replacen("hd = \"nano-banana-1k-medium\"", "hd = \"virtual-try-on\"", 1);
    let world = support::world_of(WorldConfig {
        seed,
        settings: settings(),
        sandbox: support::quick(seed, rules),
        catalogue: Some(Arc::new(Catalogue::parse(&catalogue).unwrap())),
        steps: &Step::ALL,
        ..support::undisturbed()
    })
    .await;
    world.chaos.set_rates(Rates::all(150));
    let bodies: Vec<_> = (0..1_000)
        .map(|number| {
            let mut body = body(if number % 3 == 0 { "online" } else { "batch" }, "");
            body["user_id"] = json!(format!("shopper-{number}"));
            body["quality"] = json!(match number % 30 {
                // By `:predict`.
                0 | 9 | 18 => "hd",
                n if n % 10 == 0 => "4k",
                _ => "sd",
            });
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
    support::check(&world);
    check_answered(&world);
    let (renders, bill) = (support::renders(&world), world.sandbox.bill());
    let told = format!(
        "{} of {} with a picture; {} rescued, {} diverted, {} with more than one bill, {} bills, {} \
         of them by :predict, {} unanswered, {:?}",
        support::succeeded(&renders),
        renders.len(),
        support::rescued(&renders),
        support::diverted(&renders),
        renders.iter().filter(|render| render.costs.len() > 1).count(),
        bill.charges.len(),
        bill.charges.iter().filter(|charge| charge.model.starts_with("virtual")).count(),
        bill.charges.iter().filter(|charge| !charge.answered).count(),
        support::balance_of(&world, &[Account::Google, Account::Replicate]),
    );
    (renders, told)
}

/// What was billed with an answer is settled; only what never had one may still be held.
fn check_answered(world: &World) {
    let attempts = world.attempts.attempts();
    let settled: BTreeSet<&str> = attempts
        .iter()
        .filter(|attempt| matches!(attempt.state, AttemptState::Settled { .. }))
        .map(|attempt| attempt.id.as_str())
        .collect();
    for charge in world.sandbox.bill().charges.iter().filter(|charge| charge.answered) {
        assert!(settled.contains(charge.attempt.as_str()), "answered and not settled: {charge:?}");
    }
}

#[test]
fn a_thousand_renders_with_the_breaker_and_rescues() {
    let numbers = counted(async {
        let (renders, told) = a_thousand(7, faults_of_the_chain()).await;
        println!("{told}");
        assert!(support::succeeded(&renders) > 850);
        assert!(support::rescued(&renders) > 0 && support::diverted(&renders) > 0);
    });
    assert_eq!(numbers.get("duplicate_images ungranted"), None);
}

#[test]
fn a_thousand_more_while_accounts_and_models_come_and_go() {
    let numbers = counted(async {
        let rules = faults_of_the_chain().into_iter().chain(faults_of_the_account()).collect();
        let (renders, told) = a_thousand(8, rules).await;
        println!("{told}");
        assert!(support::succeeded(&renders) > 800 && support::diverted(&renders) > 0);
    });
    assert_eq!(numbers.get("duplicate_images ungranted"), None);
    assert!(numbers.contains_key("model_retired gemini-nano-banana-2.1"));
}

fn settings() -> Settings {
    Settings { max_batch_size: 8, ..support::settings() }
}
