//! The service account's key is replaced while renders of both lanes go on.

use std::time::Duration;

use tryon_core::{
    catalogue::Backend,
    chain::Step,
    ports::{Secret, SecretName},
    render::Render,
    routing::Route,
    vitals::Gate,
};
use tryon_local::world::{World, WorldConfig};
use tryon_sandbox::{CallKind, Fault, Nth, Rule, SandboxConfig, When};

use crate::{
    health::{ONLINE, gate},
    support::{self, body},
};

/// When the old key is deleted, in seconds.
const DELETED: u64 = 600;
const RENDERS: usize = 60;
/// How long a token lives: past the next render, or not even that. In seconds.
const LONG: u64 = 400;
const SHORT: u64 = 30;

fn from_then(when: When) -> When {
    when.between(Duration::from_secs(DELETED), Duration::from_secs(86_400))
}

fn deleted_key() -> Rule {
    Rule::new(from_then(When::kind(CallKind::Token).key("-key-1")), Fault::wrong_key())
}

/// What the old key gave is refused with it, by the first call of each lane that shows it.
fn revoked_tokens() -> [Rule; 2] {
    let first = |kind| from_then(When::kind(kind)).nth(Nth::First(1));
    [CallKind::Online, CallKind::Create].map(|kind| Rule::new(first(kind), Fault::status(401)))
}

/// A render each half a minute, of either lane in turn, while ops store another key after so many
/// seconds.
async fn rotate(rules: Vec<Rule>, token_life: u64, stored_after: u64) -> (World, Vec<Render>) {
    let token_life = Duration::from_secs(token_life);
    let sandbox = SandboxConfig { token_life, ..support::quick(1, rules) };
    // It would send everybody elsewhere for good, and here they are to come back.
    let rollout_every = Duration::from_secs(86_400);
    let settings = support::settings();
    let config =
        WorldConfig { seed: 1, settings, sandbox, rollout_every, ..WorldConfig::default() };
    let world = support::world_of(config).await;
    let script = async {
        let arrivals = async {
            for number in 0..RENDERS {
                let lane = if number % 2 == 0 { "online" } else { "batch" };
                support::accept(&world, &body(lane, ""), &format!("key-{number}")).await;
                world.clock.sleep(Duration::from_secs(30)).await;
            }
        };
        let ops = async {
            world.clock.sleep(Duration::from_secs(stored_after)).await;
            let key = Secret::new(world.sandbox.service_account_key(2));
            world.secrets.set(SecretName::ServiceAccount, key);
        };
        tokio::join!(arrivals, ops);
        support::settle(&world, RENDERS).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    support::check_calm(&world);
    let renders = support::renders(&world);
    assert_eq!(support::succeeded(&renders), RENDERS);
    for backend in [ONLINE, Backend::GeminiBatch] {
        assert_eq!(gate(&world, backend).await, Gate::Closed, "{backend:?}");
    }
    (world, renders)
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_replaced_in_time_is_missed_by_nobody() {
    for (revoked, token_life) in [(false, LONG), (false, SHORT), (true, LONG)] {
        let revoked = revoked.then(revoked_tokens).into_iter().flatten();
        let rules: Vec<Rule> = std::iter::once(deleted_key()).chain(revoked).collect();
        let count = rules.len();
        let (world, renders) = rotate(rules, token_life, DELETED - 10).await;
        let delivered = |r: &&Render| (r.served, r.step, r.n) == (Route::Gemini, Step::Gemini, 1);
        assert_eq!(renders.iter().filter(delivered).count(), RENDERS);
        assert!(renders.iter().all(|render| !render.google_failed));
        // Shown once more from the cache, or not even that where its token was refused before.
        let struck = world.sandbox.faults().struck();
        assert_eq!(struck, if count == 1 { vec![1] } else { vec![0, 1, 1] });
        assert_eq!(world.sandbox.bill().charges.len(), RENDERS);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_replaced_late_costs_a_detour_and_no_render() {
    let rules = std::iter::once(deleted_key()).chain(revoked_tokens()).collect();
    let (world, renders) = rotate(rules, LONG, DELETED + 300).await;
    assert!(world.sandbox.faults().struck()[0] > 0, "the old key was shown again");
    assert!(support::diverted(&renders) > 0, "nobody knew");
    let back = renders.iter().rev().take_while(|render| render.served == Route::Gemini).count();
    assert!(back > 10, "only {back} came back");
}
