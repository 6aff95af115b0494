//! Near Google's limit of 100 open jobs, batches stay open.

use std::time::Duration;

use serde_json::json;
use tryon_core::{
    batch::{MANY_JOBS, SealReason},
    chain::Step,
    settings::Settings,
};
use tryon_local::world::World;
use tryon_sandbox::{JobTime, SandboxConfig};

use crate::support::{self, body};

const JOB: u64 = 7_200;

/// So many jobs, each of one render, then one more render in a batch that has room.
async fn after(jobs: u64, deadline: u64) -> (World, i64, SealReason) {
    let job_time = JobTime::Fixed(Duration::from_secs(JOB));
    let sandbox = SandboxConfig { job_time, ..support::quick(1, Vec::new()) };
    let settings = Settings { max_batch_size: 1, ..support::settings() };
    let world = support::world_with(1, settings, sandbox, &[Step::Gemini]).await;
    let count = usize::try_from(jobs).unwrap();
    let script = async {
        for number in 0..count {
            support::accept(&world, &body("batch", ""), &format!("key-{number}")).await;
        }
        world.clock.sleep(Duration::from_secs(60)).await;
        world.settings.set("max-batch-size", "50").unwrap();
        let mut last = body("batch", "");
        last["deadline_seconds"] = json!(deadline);
        last["give_up_seconds"] = json!(deadline);
        support::accept(&world, &last, "last").await;
        support::settle(&world, count + 1).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let batch = world.database.batches().into_iter().max_by_key(|batch| batch.opened_at).unwrap();
    let seal = batch.sealed.unwrap();
    let seconds = (seal.at - batch.opened_at).num_seconds();
    (world, seconds, seal.reason)
}

#[tokio::test(start_paused = true)]
async fn below_it_time_seals() {
    let (world, seconds, reason) = after(MANY_JOBS - 1, 86_400).await;
    assert_eq!((seconds, reason), (45, SealReason::Time));
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn from_ninety_jobs_on_a_batch_waits_until_one_is_done() {
    let (world, seconds, reason) = after(MANY_JOBS, 86_400).await;
    let waited = i64::try_from(JOB).unwrap() - 200..i64::try_from(JOB).unwrap() + 200;
    assert!(waited.contains(&seconds) && reason == SealReason::Time, "{seconds} s, {reason}");
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn nor_does_it_wait_past_the_time_that_its_first_render_needs() {
    // An hour, of which a job is left half.
    let (_, seconds, _) = after(MANY_JOBS, 3_600).await;
    assert!((1_800..1_830).contains(&seconds), "{seconds} s");
}
