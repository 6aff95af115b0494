//! A world for a test, its requests, and what must hold at the end of every run.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tryon_core::{
    attempt::{Attempt, AttemptState},
    budget::{Account, Balance},
    catalogue::Backend,
    chain::Step,
    ids::RenderId,
    memory::TokioClock,
    money::Micros,
    outcome::{FailClass, Outcome, RenderOutcome},
    picture::Mime,
    ports::{Clock, Objects, QueueName},
    render::{FailureCode, Render, RenderStatus, Rescue},
    routing::{Percent, Route},
    settings::Settings,
};
use tryon_local::{
    arrivals::{CANNED_PHOTO, GARMENTS, PERSON},
    world::{Refused, World, WorldConfig},
};
use tryon_sandbox::{Faults, JobTime, Latency, Pictures, Rule, SandboxConfig};

/// What a canned picture weighs, in bytes.
const PICTURE: usize = 1_000;

pub(crate) fn settings() -> Settings {
    Settings { enable_gemini_batch: true, traffic_percent: Percent::FULL, ..Settings::default() }
}

/// A world with quick, canned answers and these faults, that has Google alone.
pub(crate) async fn world(seed: u64, settings: Settings, rules: Vec<Rule>) -> World {
    world_with(seed, settings, quick(seed, rules), &[Step::Gemini]).await
}

/// The same with the whole chain.
pub(crate) async fn whole_world(seed: u64, settings: Settings, rules: Vec<Rule>) -> World {
    world_with(seed, settings, quick(seed, rules), &Step::ALL).await
}

pub(crate) fn quick(seed: u64, rules: Vec<Rule>) -> SandboxConfig {
    SandboxConfig {
        seed,
        pictures: Pictures::Canned { bytes: PICTURE },
        latency: Latency::Fixed(Duration::from_secs(15)),
        job_time: JobTime::Fixed(Duration::from_secs(90)),
        faults: Faults { rules },
        ..SandboxConfig::default()
    }
}

pub(crate) async fn world_with(
    seed: u64,
    settings: Settings,
    sandbox: SandboxConfig,
    steps: &'static [Step],
) -> World {
    world_of(WorldConfig { seed, settings, sandbox, steps, ..undisturbed() }).await
}

/// The whole chain, with so many micro-dollars a day for rescues.
pub(crate) async fn world_with_rescues(seed: u64, sandbox: SandboxConfig, micros: u64) -> World {
    let (settings, rescue_budget) = (settings(), Micros::new(micros));
    let config =
        WorldConfig { seed, settings, sandbox, steps: &Step::ALL, rescue_budget, ..undisturbed() };
    world_of(config).await
}

/// A world whose traffic nobody takes back, whatever goes wrong in it.
pub(crate) fn undisturbed() -> WorldConfig {
    WorldConfig { rollout_every: Duration::from_secs(86_400 * 700), ..WorldConfig::default() }
}

/// A world of one's own making, with the usual pictures to ask for.
pub(crate) async fn world_of(config: WorldConfig) -> World {
    let start = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000);
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(start));
    let config = WorldConfig { weigh_results: true, record_events: true, ..config };
    let world = World::new(config, clock).unwrap();
    let canned = Bytes::from_static(CANNED_PHOTO);
    for key in GARMENTS.iter().map(|(key, ..)| *key).chain([PERSON]) {
        world.objects.put(key, canned.clone(), Mime::Jpeg).await.unwrap();
    }
    world
}

/// A request; `lane` as the customer names it.
pub(crate) fn body(lane: &str, wish: &str) -> Value {
    json!({
        "user_id": "alice",
        "person": {"photo": PERSON},
        "garments": [{"photo": GARMENTS[0].0, "category": "shirt"}],
        "quality": "sd",
        "lane": lane,
        "prompt": wish,
    })
}

/// Accepts the bodies and runs the world until all of them have ended and nothing is owed.
pub(crate) async fn play(world: &World, bodies: &[Value]) -> Vec<Render> {
    let script = async {
        for (number, body) in bodies.iter().enumerate() {
            accept(world, body, &format!("key-{number}")).await;
        }
        settle(world, bodies.len()).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    renders(world)
}

/// The same with renders that come after others have ended; their keys begin with `name`.
pub(crate) async fn play_more(world: &World, bodies: &[Value], name: &str) -> Vec<Render> {
    let before = renders(world).len();
    let script = async {
        for (number, body) in bodies.iter().enumerate() {
            accept(world, body, &format!("{name}-{number}")).await;
        }
        settle(world, before + bodies.len()).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    renders(world)
}

/// Posts as a client does: again, with the same key, until it is answered.
pub(crate) async fn accept(world: &World, body: &Value, key: &str) -> RenderId {
    loop {
        match world.accept(body, key).await {
            Ok(id) => return RenderId::from(id.as_str()),
            Err(error) => {
                let refused = error.downcast_ref::<Refused>();
                assert!(refused.is_none_or(|refused| refused.status >= 500), "{error}");
            }
        }
        world.clock.sleep(Duration::from_secs(1)).await;
    }
}

/// Waits until `count` renders have ended and nothing is owed or under way.
pub(crate) async fn settle(world: &World, count: usize) {
    // A look at many rows takes its time.
    let pause = Duration::from_secs(if count > 500 { 600 } else { 5 });
    for _ in 0..1_000_000 {
        let rows = renders(world);
        let over = rows.len() == count && rows.iter().all(Render::is_ended);
        if over && world.is_quiet() {
            return;
        }
        world.clock.sleep(pause).await;
    }
    panic!("the world never came to rest: {:#?}", renders(world));
}

/// Lets time pass.
pub(crate) async fn wait(world: &World, time: Duration) {
    let script = async {
        world.clock.sleep(time).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
}

pub(crate) fn renders(world: &World) -> Vec<Render> {
    world.database.renders()
}

pub(crate) fn succeeded(renders: &[Render]) -> usize {
    renders.iter().filter(|r| matches!(r.status, RenderStatus::Succeeded { .. })).count()
}

pub(crate) fn failed(renders: &[Render], code: FailureCode) -> usize {
    let with = |r: &&Render| matches!(r.status, RenderStatus::Failed { code: c, .. } if c == code);
    renders.iter().filter(with).count()
}

/// How many had an online attempt beside their job.
pub(crate) fn rescued(renders: &[Render]) -> usize {
    let rescued = |render: &&Render| render.rescue.as_ref().is_some_and(|r| r.attempt().is_some());
    renders.iter().filter(rescued).count()
}

/// How many were Google's and began elsewhere.
pub(crate) fn diverted(renders: &[Render]) -> usize {
    renders.iter().filter(|r| (r.assigned, r.served) == (Route::Gemini, Route::Legacy)).count()
}

/// The Google account, summed over its days.
pub(crate) fn balance(world: &World) -> Balance {
    balance_of(world, &[Account::Google])
}

pub(crate) fn balance_of(world: &World, accounts: &[Account]) -> Balance {
    let mut sum = Balance::default();
    for ((_, account), day) in world.attempts.balances() {
        if accounts.contains(&account) {
            sum.reserved += day.reserved;
            sum.settled += day.settled;
            sum.held += day.held;
            sum.reservations += day.reservations;
        }
    }
    sum
}

/// Holds at the end of every run, whatever went wrong in it: each render has one end, told at least
/// once and always with the same bytes; the ledger, the attempts and the rows tell one story; what
/// is reserved is settled or held; and no unknown outcome was bought again.
pub(crate) fn check(world: &World) {
    check_money(world);
    let news = news(world);
    for render in renders(world) {
        assert!(render.owed.is_empty(), "still owed: {render:?}");
        let told = news.get(render.id.as_str()).expect("ended without news");
        assert!(told.iter().all(|detail| *detail == told[0]), "two stories: {told:?}");
    }
}

/// Every picture beyond the first that was paid for a render was granted: one after the unknown, one
/// as a rescue.
fn check_grants(renders: &[Render], attempts: &[Attempt]) {
    for render in renders {
        let mine = |o: &&RenderOutcome| {
            o.render_id == render.id && matches!(o.outcome, Outcome::Image { .. })
        };
        let drawn = attempts.iter().filter(|attempt| attempt.step != Step::Upscale);
        let pictures = drawn.flat_map(outcomes).filter(mine).count();
        let rescued = render.rescue.as_ref().and_then(Rescue::attempt).is_some();
        let granted = usize::from(render.granted.is_some()) + usize::from(rescued);
        assert!(pictures <= 1 + granted, "{pictures} pictures by {granted} grants: {render:?}");
        let extra = attempts.iter().filter(|attempt| {
            attempt.rescue.is_some() && attempt.shares.iter().any(|s| s.render_id == render.id)
        });
        assert!(extra.count() <= usize::from(rescued), "rescued without a grant: {render:?}");
    }
}

/// The part of it that is about money.
pub(crate) fn check_money(world: &World) {
    let renders = renders(world);
    let attempts = world.attempts.attempts();
    check_grants(&renders, &attempts);
    let balance = balance_of(world, &[Account::Google, Account::Replicate]);
    assert_eq!(balance.reserved, Micros::ZERO, "money is still reserved");
    let (mut settled, mut held) = (Micros::ZERO, Micros::ZERO);
    for attempt in &attempts {
        assert!(attempt.announced, "not told: {attempt:?}");
        match &attempt.state {
            AttemptState::Settled { outcomes, .. } => {
                settled += outcomes.iter().map(|outcome| outcome.cost).sum();
            }
            AttemptState::Held { .. } => held += attempt.reserved(),
            AttemptState::NeverBought { .. } => {}
            state => panic!("attempt {} never ended: {state:?}", attempt.id),
        }
    }
    assert_eq!((balance.settled, balance.held), (settled, held), "ledger against attempts");
    let rows: Micros = renders.iter().map(Render::cost).sum();
    assert_eq!(rows, settled, "render rows against attempts");
    bill(world, &attempts, balance);
}

/// The same, and no message was put aside.
pub(crate) fn check_calm(world: &World) {
    check(world);
    for queue in QueueName::ALL {
        assert_eq!(world.queues.dlq(queue), [], "{queue:?}");
    }
}

/// Settled is, to the micro-dollar, what the providers bill for the attempts that settled; a row that
/// never came, or of a job that was cancelled, named no price, and was settled at its maximum. Held
/// covers what was billed for the others.
fn bill(world: &World, attempts: &[Attempt], balance: Balance) {
    let held: BTreeSet<&str> = attempts
        .iter()
        .filter(|attempt| matches!(attempt.state, AttemptState::Held { .. }))
        .map(|attempt| attempt.id.as_str())
        .collect();
    // A prediction's price is known with or without its picture.
    let by_row = |attempt: &&Attempt| attempt.backend != Backend::Replicate;
    let missing: BTreeSet<(&str, &str)> = attempts
        .iter()
        .filter(by_row)
        .flat_map(|attempt| outcomes(attempt).map(move |outcome| (attempt, outcome)))
        .filter(|(_, outcome)| is_unpriced(outcome))
        .map(|(attempt, outcome)| (attempt.id.as_str(), outcome.render_id.as_str()))
        .collect();
    let unpriced: Micros = attempts
        .iter()
        .filter(by_row)
        .flat_map(outcomes)
        .filter(|outcome| is_unpriced(outcome))
        .map(|outcome| outcome.cost)
        .sum();
    let (mut settled, mut unknown, mut lost) = (Micros::ZERO, Micros::ZERO, Micros::ZERO);
    for charge in world.sandbox.bill().charges {
        if held.contains(charge.attempt.as_str()) {
            unknown += charge.micros();
        } else if missing.contains(&(charge.attempt.as_str(), charge.key.as_str())) {
            lost += charge.micros();
        } else {
            settled += charge.micros();
        }
    }
    assert_eq!(balance.settled, settled + unpriced, "settled against the bill");
    assert!(unpriced >= lost, "{unpriced} does not cover the rows that never came: {lost}");
    assert!(balance.held >= unknown, "held {} does not cover {unknown}", balance.held);
}

/// Whether nobody said what it cost: a row that never came, or may have been done in a job that was
/// cancelled.
fn is_unpriced(outcome: &RenderOutcome) -> bool {
    match outcome.outcome {
        Outcome::Failed { class: FailClass::Missing } => true,
        Outcome::Failed { class: FailClass::Cancelled } => outcome.cost > Micros::ZERO,
        _ => false,
    }
}

fn outcomes(attempt: &Attempt) -> impl Iterator<Item = &RenderOutcome> {
    match &attempt.state {
        AttemptState::Settled { outcomes, .. } => outcomes.iter(),
        _ => [].iter(),
    }
}

/// What was told of each render.
fn news(world: &World) -> BTreeMap<String, Vec<String>> {
    let mut news: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for published in world.bus.drain() {
        if published.event.source == "render" {
            let detail: Value = serde_json::from_str(&published.event.detail).unwrap();
            let render = detail["render_id"].as_str().unwrap().to_owned();
            news.entry(render).or_default().push(published.event.detail);
        }
    }
    news
}
