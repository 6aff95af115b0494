//! A catalogue that ops put into the bucket takes the place of the built-in one, without a deployment.

use std::{sync::Arc, time::Duration};

use tryon_core::{
    attempt::{AttemptState, NeverBought},
    catalogue::Catalogue,
    chain::Step,
};
use tryon_local::world::{World, WorldConfig};
use tryon_sandbox::{CallKind, Fault, JobTime, Nth, Rule, SandboxConfig, When};

use crate::{
    models::{BUILT_IN, PRO},
    numbers::counted,
    support::{self, body},
};

/// As long as a function goes on with what it read.
const STANDS: Duration = Duration::from_secs(300);

/// SD is served by a model that the built-in catalogue does not know.
fn by_pro() -> String {
    let (from, to) = ("sd = \"nano-banana-1k-minimal\"", "sd = \"pro\"");
    assert!(BUILT_IN.contains(from));
    BUILT_IN.replacen(from, to, 1) + PRO
}

/// The same models, but that SD's entry has another name: the old one is dropped.
fn without_minimal() -> String {
    BUILT_IN.replace("nano-banana-1k-minimal", "newcomer")
}

async fn world(job_time: u64, rules: Vec<Rule>) -> World {
    let sandbox = SandboxConfig {
        job_time: JobTime::Fixed(Duration::from_secs(job_time)),
        ..support::quick(1, rules)
    };
    support::world_of(WorldConfig {
        seed: 1,
        settings: support::settings(),
        // The provider sells what the new catalogue names.
        sandbox: sandbox.priced_by(&Catalogue::parse(&by_pro()).unwrap()),
        catalogue: Some(Arc::new(Catalogue::parse(BUILT_IN).unwrap())),
        steps: &[Step::Gemini],
        ..WorldConfig::default()
    })
    .await
}

fn entries(world: &World) -> Vec<String> {
    support::renders(world).iter().map(|render| render.entry.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_next_render_is_bought_from_the_model_that_ops_name() {
    let world = world(90, Vec::new()).await;
    support::play(&world, &[body("online", "")]).await;
    world.bucket_catalogue.put(Some(&by_pro()));
    support::wait(&world, STANDS).await;
    let renders =
        support::play_more(&world, &[body("online", ""), body("batch", "")], "later").await;
    assert_eq!(support::succeeded(&renders), 3, "{renders:#?}");
    assert_eq!(entries(&world), ["nano-banana-1k-minimal", "pro", "pro"]);
    let charges = world.sandbox.bill().charges;
    assert_eq!(charges.iter().filter(|c| c.model == "gemini-3-pro-image").count(), 2);
    // And back, as soon as it is gone.
    world.bucket_catalogue.put(None);
    support::wait(&world, STANDS).await;
    support::play_more(&world, &[body("online", "")], "last").await;
    assert_eq!(entries(&world)[3], "nano-banana-1k-minimal");
    support::check_calm(&world);
}

#[test]
fn a_bad_one_is_told_and_changes_nothing() {
    let numbers = counted(async {
        let world = world(90, Vec::new()).await;
        let bad = by_pro().replace("image_nanos = 120000", "image_nanos = 0");
        world.bucket_catalogue.put(Some(&bad));
        let renders = support::play(&world, &[body("online", ""), body("batch", "")]).await;
        assert_eq!(support::succeeded(&renders), 2);
        assert_eq!(entries(&world), ["nano-banana-1k-minimal"; 2]);
        support::wait(&world, STANDS).await;
        support::check_calm(&world);
    });
    assert_eq!(numbers.get("catalogue_refused"), Some(&1.0));
}

#[test]
fn a_good_one_is_no_alarm() {
    let numbers = counted(async {
        let world = world(90, Vec::new()).await;
        world.bucket_catalogue.put(Some("not a catalogue"));
        support::wait(&world, Duration::from_secs(120)).await;
        world.bucket_catalogue.put(Some(&by_pro()));
        support::wait(&world, STANDS).await;
    });
    assert_eq!(numbers.get("catalogue_refused"), Some(&0.0));
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_entry_is_dropped_brings_its_pictures_home() {
    let world = world(1_200, Vec::new()).await;
    let script = async {
        support::accept(&world, &body("batch", ""), "key").await;
        world.clock.sleep(Duration::from_secs(120)).await;
        assert!(matches!(world.attempts.attempts()[0].state, AttemptState::Submitted { .. }));
        world.bucket_catalogue.put(Some(&without_minimal()));
        support::settle(&world, 1).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let renders = support::renders(&world);
    assert_eq!((support::succeeded(&renders), renders[0].n), (1, 1), "{renders:#?}");
    assert_eq!(world.sandbox.bill().charges.len(), 1);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_entry_is_dropped_while_it_waits_is_bought_by_what_serves_now() {
    // For some minutes Google takes no jobs.
    let busy = When::kind(CallKind::Create).nth(Nth::First(12));
    let world = world(90, vec![Rule::new(busy, Fault::status(429))]).await;
    let script = async {
        support::accept(&world, &body("batch", ""), "key").await;
        world.clock.sleep(Duration::from_secs(60)).await;
        world.bucket_catalogue.put(Some(&without_minimal()));
        support::settle(&world, 1).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let renders = support::renders(&world);
    assert_eq!(support::succeeded(&renders), 1, "{renders:#?}");
    assert_eq!((renders[0].entry.as_str(), renders[0].n), ("newcomer", 2));
    let dropped = |state: &AttemptState| {
        matches!(state, AttemptState::NeverBought { why: NeverBought::Dropped, .. })
    };
    assert_eq!(world.attempts.attempts().iter().filter(|a| dropped(&a.state)).count(), 1);
    support::check_calm(&world);
}
