//! A handler is dropped at each of its await points, and its messages come again: the same end, the
//! same money. Between `sending` and the answer of an Online call the truth is lost with the run: one
//! end, the money held, and nothing bought twice.

use std::{
    collections::BTreeSet,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use chrono::TimeDelta;
use serde_json::{Value, json};
use tryon_core::{
    attempt::AttemptState,
    budget::Account,
    catalogue::Backend,
    chain::Step,
    lane::Lane,
    money::Micros,
    render::{FailureCode, RenderStatus},
    routing::Percent,
    settings::Settings,
    stages::Invocation,
};
use tryon_lambda::{Handler, HandlerError};
use tryon_local::world::World;
use tryon_sandbox::{CallKind, Fault, JobTime, Nth, Rule, SandboxConfig, When};

use crate::{health::open, support};

/// Counts the polls of all handlers, and ends the run in which the fatal one falls.
#[derive(Debug)]
struct Reaper {
    polls: AtomicU64,
    fatal: u64,
    /// What an event must speak of for its handler's polls to count.
    about: &'static str,
}

#[derive(Debug)]
struct Mortal {
    inner: Arc<dyn Handler>,
    reaper: Arc<Reaper>,
}

#[async_trait::async_trait]
impl Handler for Mortal {
    async fn call(&self, event: Value, invocation: Invocation) -> Result<Value, HandlerError> {
        if !event.to_string().contains(self.reaper.about) {
            return self.inner.call(event, invocation).await;
        }
        let mut call = self.inner.call(event, invocation);
        poll_fn(|context| {
            if self.reaper.polls.fetch_add(1, Ordering::Relaxed) == self.reaper.fatal {
                return Poll::Ready(None);
            }
            call.as_mut().poll(context).map(Some)
        })
        .await
        .unwrap_or_else(|| Err(HandlerError::new("killed")))
    }
}

/// Runs one Online render and a batch of two, killing the handler at poll `fatal`. Returns how many
/// polls there were.
async fn run_killed_at(fatal: u64) -> (World, u64) {
    let world = support::world(1, support::settings(), Vec::new()).await;
    let bodies = ["online", "batch", "batch"].map(|lane| support::body(lane, ""));
    play_killed_at(fatal, world, &bodies).await
}

async fn play_killed_at(fatal: u64, world: World, bodies: &[Value]) -> (World, u64) {
    play_killed_about("", fatal, world, bodies).await
}

/// The same for handlers of events that speak of this alone.
async fn play_killed_about(
    about: &'static str,
    fatal: u64,
    mut world: World,
    bodies: &[Value],
) -> (World, u64) {
    let reaper = Arc::new(Reaper { polls: AtomicU64::new(0), fatal, about });
    world.wrap_functions(|inner| Arc::new(Mortal { inner, reaper: reaper.clone() }));
    support::play_more(&world, bodies, "killed").await;
    support::check_calm(&world);
    let polls = reaper.polls.load(Ordering::Relaxed);
    (world, polls)
}

/// A 4K render on the legacy route: Nano Banana refuses its input, `PhotoMaker` draws, the upscale step
/// enlarges.
async fn chain_killed_at(fatal: u64) -> (World, u64) {
    let refuse = When::kind(CallKind::Prediction).key("/nano_banana/");
    let rules = vec![Rule::new(refuse, Fault::fail("invalid input (E006)"))];
    let settings = Settings { traffic_percent: Percent::ZERO, ..support::settings() };
    let world = support::whole_world(1, settings, rules).await;
    let mut body = support::body("online", "");
    body["quality"] = json!("4k");
    play_killed_at(fatal, world, &[body]).await
}

#[tokio::test(start_paused = true)]
async fn the_chain_dropped_at_each_await_point() {
    let (calm, polls) = chain_killed_at(u64::MAX).await;
    let charges = |world: &World| world.sandbox.bill().charges.len();
    assert_eq!((support::succeeded(&support::renders(&calm)), charges(&calm)), (1, 2));
    assert!(polls > 150, "only {polls} await points: what is this test looking at?");
    for fatal in 0..polls {
        let (world, _) = chain_killed_at(fatal).await;
        let render = support::renders(&world).remove(0);
        let bill = world.sandbox.bill();
        let mut attempts: Vec<_> = bill.charges.iter().map(|c| c.attempt.clone()).collect();
        attempts.sort();
        attempts.dedup();
        assert_eq!(attempts.len(), bill.charges.len(), "bought twice when killed at {fatal}");
        // A create that went out unseen is found by its input; one that did not is gone on without.
        let made = matches!(render.status, RenderStatus::Succeeded { .. });
        assert!(made || render.granted.is_some(), "killed at {fatal}: {:?}", render.status);
        let held = support::balance_of(&world, &[Account::Replicate]).held;
        assert!(held == Micros::ZERO || charges(&world) <= 2, "killed at {fatal}");
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_at_each_await_point() {
    let (calm, polls) = run_killed_at(u64::MAX).await;
    assert_eq!(support::succeeded(&support::renders(&calm)), 3);
    assert!(polls > 200, "only {polls} await points: what is this test looking at?");
    let (mut same, mut unknown) = (0, 0);
    for fatal in 0..polls {
        let (world, _) = run_killed_at(fatal).await;
        let renders = support::renders(&world);
        let balance = support::balance(&world);
        if balance.held == Micros::ZERO {
            assert_eq!(support::succeeded(&renders), 3, "killed at {fatal}");
            assert_eq!(world.sandbox.bill().charges.len(), 3, "killed at {fatal}");
            same += 1;
            continue;
        }
        unknown += 1;
        let held: Vec<_> = world
            .attempts
            .attempts()
            .into_iter()
            .filter(|attempt| matches!(attempt.state, AttemptState::Held { .. }))
            .collect();
        assert_eq!(held.len(), 1, "killed at {fatal}");
        assert_eq!(balance.held, held[0].reserved());
        assert!(world.sandbox.bill().charges.len() <= 3, "bought twice when killed at {fatal}");
        if held[0].lane == Lane::Batch {
            // Killed before the create went out: looked for in vain, then bought by a grant.
            assert_eq!(support::succeeded(&renders), 3, "killed at {fatal}");
            assert!(renders.iter().all(|r| r.lane == Lane::Online || r.granted.is_some()));
            continue;
        }
        // An online call leaves nothing to look for.
        assert_eq!(support::succeeded(&renders), 2, "killed at {fatal}");
        assert_eq!(support::failed(&renders, FailureCode::ProviderUnavailable), 1);
        let lost = renders.iter().find(|r| !matches!(r.status, RenderStatus::Succeeded { .. }));
        assert_eq!(lost.unwrap().lane, Lane::Online);
    }
    println!("{polls} await points: {same} with the same end, {unknown} with the money held");
    assert!(unknown > 0, "no drop fell between sending and the answer");
}

/// Two renders of a batch whose job is slow: rescued near their deadline, the job cancelled.
async fn rescue_killed_at(fatal: u64) -> (World, u64) {
    let job_time = JobTime::Fixed(Duration::from_secs(3_000));
    let sandbox = SandboxConfig { job_time, ..support::quick(1, Vec::new()) };
    let world = support::world_with(1, support::settings(), sandbox, &[Step::Gemini]).await;
    let mut body = support::body("batch", "");
    body["deadline_seconds"] = json!(1_800);
    play_killed_at(fatal, world, &[body.clone(), body]).await
}

#[tokio::test(start_paused = true)]
async fn a_rescue_dropped_at_each_await_point() {
    let (calm, polls) = rescue_killed_at(u64::MAX).await;
    let rescues = |world: &World| {
        world.attempts.attempts().iter().filter(|attempt| attempt.rescue.is_some()).count()
    };
    assert_eq!((support::succeeded(&support::renders(&calm)), rescues(&calm)), (2, 2));
    assert!(polls > 300, "only {polls} await points: what is this test looking at?");
    let (mut held, mut both) = (0, 0);
    for fatal in 0..polls {
        let (world, _) = rescue_killed_at(fatal).await;
        let renders = support::renders(&world);
        assert_eq!(support::succeeded(&renders), 2, "killed at {fatal}");
        // `check_calm` has seen to the grants and the bill; and nobody is rescued twice.
        assert!(rescues(&world) <= 2, "killed at {fatal}");
        held += u64::from(support::balance(&world).held > Micros::ZERO);
        both += u64::from(renders.iter().any(|render| render.costs.len() > 1));
    }
    println!("{polls} await points: {held} with money held, {both} with two bills for a render");
    assert!(held > 0, "no drop fell between sending and the answer");
}

/// Where a handler may be dropped besides: the ways that a purchase takes while Google is away, busy, or
/// without the model, and that a fetch and a seal take when there is too much at once.
#[derive(Clone, Copy, Debug)]
enum Detour {
    /// The breaker opens once the router has looked: an Online render goes elsewhere, a batch waits.
    TurnedAway,
    /// Nowhere else to go: both wait at the door, and try.
    Barred,
    Busy,
    Retired,
    CutFetch,
    CrowdedSeal,
    /// Replicate refuses the account once: the render that meets it waits, and tries.
    Refused,
}

async fn detour_killed_at(detour: Detour, fatal: u64) -> (World, u64) {
    let first = |kind, n| When::kind(kind).nth(Nth::First(n));
    let gone =
        |kind| Rule::new(When::kind(kind).model("gemini-nano-banana-2.1"), Fault::status(404));
    let busy = |kind| Rule::new(first(kind, 2), Fault::status(429));
    let paying = [CallKind::Online, CallKind::Create];
    let rules = match detour {
        Detour::Busy => paying.map(busy).to_vec(),
        Detour::Retired => paying.map(gone).to_vec(),
        Detour::CutFetch => {
            let cut = Fault::CutDownload { after_rows: 1 };
            vec![Rule::new(first(CallKind::Download, 5), cut)]
        }
        Detour::Refused => {
            vec![Rule::new(first(CallKind::PredictionCreate, 1), Fault::status(402))]
        }
        Detour::TurnedAway | Detour::Barred | Detour::CrowdedSeal => Vec::new(),
    };
    let steps: &[Step] = if matches!(detour, Detour::TurnedAway | Detour::Refused) {
        &Step::ALL
    } else {
        &[Step::Gemini]
    };
    let sandbox = SandboxConfig { ranges: false, ..support::quick(1, rules) };
    match detour {
        Detour::CrowdedSeal => {
            let sandbox =
                SandboxConfig { job_time: JobTime::Fixed(Duration::from_secs(200)), ..sandbox };
            let settings = Settings { max_batch_size: 1, ..support::settings() };
            let world = support::world_with(1, settings, sandbox, steps).await;
            let script = async {
                for number in 0..90 {
                    let body = support::body("batch", "");
                    support::accept(&world, &body, &format!("key-{number}")).await;
                }
                world.clock.sleep(Duration::from_secs(60)).await;
                world.settings.set("max-batch-size", "50").unwrap();
                Ok(())
            };
            world.serve_until(script).await.unwrap();
            play_killed_about(":accumulator", fatal, world, &[support::body("batch", "")]).await
        }
        Detour::CutFetch => {
            let world = support::world_with(1, support::settings(), sandbox, steps).await;
            play_killed_at(fatal, world, &vec![support::body("batch", ""); 3]).await
        }
        _ => {
            let legacy = matches!(detour, Detour::Refused);
            let percent = if legacy { Percent::ZERO } else { Percent::FULL };
            let settings = Settings { traffic_percent: percent, ..support::settings() };
            let world = support::world_with(1, settings, sandbox, steps).await;
            if matches!(detour, Detour::TurnedAway) {
                // For two seconds the router need not look again.
                for lane in ["online", "batch"] {
                    let mut lost = support::body(lane, "");
                    lost["person"]["photo"] = json!("in/nobody.jpg");
                    world.accept(&lost, "lost").await.unwrap_err();
                }
            }
            if matches!(detour, Detour::TurnedAway | Detour::Barred) {
                for backend in [Backend::GeminiOnline, Backend::GeminiBatch] {
                    open(&world, backend, TimeDelta::seconds(120)).await;
                }
            }
            let bodies = ["online", "batch"].map(|lane| support::body(lane, ""));
            play_killed_at(fatal, world, &bodies).await
        }
    }
}

/// Whatever is killed, each attempt is one charge at most, and every render ends: with its picture, unless
/// the run died that alone knew of an Online call.
async fn detour(detour: Detour, least: u64) -> String {
    let charges = |world: &World| world.sandbox.bill().charges.len();
    let (calm, polls) = detour_killed_at(detour, u64::MAX).await;
    let (count, bills) = (support::renders(&calm).len(), charges(&calm));
    assert_eq!(support::succeeded(&support::renders(&calm)), count, "{detour:?}");
    assert!(polls >= least, "only {polls} await points: what is this test looking at?");
    let mut unknown = 0;
    for fatal in 0..polls {
        let (world, _) = detour_killed_at(detour, fatal).await;
        let renders = support::renders(&world);
        let bill = world.sandbox.bill();
        let attempts: BTreeSet<_> = bill.charges.iter().map(|c| (&c.attempt, &c.key)).collect();
        assert_eq!(attempts.len(), charges(&world), "{detour:?} bought twice, killed at {fatal}");
        let accounts = [Account::Google, Account::Replicate];
        let held = support::balance_of(&world, &accounts).held > Micros::ZERO;
        let done = support::succeeded(&renders);
        if held {
            unknown += 1;
            assert!(done + 1 >= count, "{detour:?} killed at {fatal}: {done} pictures");
        } else {
            assert_eq!((done, charges(&world)), (count, bills), "{detour:?} killed at {fatal}");
        }
    }
    format!("{detour:?}: {polls} await points, {unknown} with the money held")
}

#[tokio::test(start_paused = true)]
async fn dropped_where_an_open_breaker_turns_away() {
    println!("{}", detour(Detour::TurnedAway, 150).await);
}

#[tokio::test(start_paused = true)]
async fn dropped_where_an_open_breaker_lets_wait() {
    println!("{}", detour(Detour::Barred, 150).await);
}

#[tokio::test(start_paused = true)]
async fn dropped_where_the_account_is_refused() {
    println!("{}", detour(Detour::Refused, 150).await);
}

#[tokio::test(start_paused = true)]
async fn dropped_where_google_is_busy() {
    println!("{}", detour(Detour::Busy, 150).await);
}

#[tokio::test(start_paused = true)]
async fn dropped_where_a_successor_takes_over() {
    println!("{}", detour(Detour::Retired, 150).await);
}

#[tokio::test(start_paused = true)]
async fn dropped_where_a_fetch_is_cut_and_resumed() {
    println!("{}", detour(Detour::CutFetch, 150).await);
}

#[tokio::test(start_paused = true)]
async fn dropped_where_a_batch_waits_for_jobs_to_end() {
    println!("{}", detour(Detour::CrowdedSeal, 10).await);
}
