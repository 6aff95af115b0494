use std::{pin::pin, sync::Arc, task::Poll};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{future::join, poll};
use serde_json::{Value, json};

use super::{stand::Stand, status::Kept, *};
use crate::{
    catalogue::Size,
    chain::Step,
    contract::fixtures::{catalogue, online_render, start, unlimited},
    gates::{Phase, Why},
    ids::RenderId,
    memory::{
        Call, Chaos, MemoryAttempts, MemoryAudit, MemoryBoard, MemoryBus, MemoryDatabase,
        MemoryQueues, MemorySettings, Mishap, SeededRandom, TokioClock,
    },
    money::Micros,
    picture::{Mime, PictureRef},
    ports::Renders,
    render::{Render, RenderStatus},
};

fn percent(points: u16) -> Percent {
    Percent::from_basis_points(points).unwrap()
}

fn settings(traffic: u16, ceiling: u16) -> Settings {
    Settings {
        enable_gemini_batch: true,
        traffic_percent: percent(traffic),
        traffic_ceiling: percent(ceiling),
        ..Settings::default()
    }
}

fn at(hours: i64) -> DateTime<Utc> {
    start() + TimeDelta::hours(hours)
}

fn act(id: &str, hours: i64, act: Act) -> AuditEntry {
    let actor = if id.starts_with(ACTOR) { ACTOR } else { "ops" };
    AuditEntry::new(AuditId::from(id), at(hours), actor, act, "because", Value::Null).unwrap()
}

fn kept(in_force: u16, hours: i64) -> Kept {
    let in_force = percent(in_force);
    Kept { in_force, since: at(hours), told: None, breaker_open: false, openings: 2 }
}

fn stand(ceiling: u16, acts: &[AuditEntry], kept: Option<&Kept>) -> Stand {
    Stand::of(&settings(10_000, ceiling), acts, kept, Mode::Automatic, at(100))
}

#[test]
fn the_evidence_begins_when_the_percentage_last_changed() {
    let since = |ceiling, acts: &[AuditEntry], kept: Option<&Kept>| {
        let stand = stand(ceiling, acts, kept);
        (stand.ramp.since, stand.openings)
    };
    assert_eq!(since(1_000, &[], Some(&kept(1_000, 5))), (at(5), 2));
    assert_eq!(since(1_000, &[], Some(&kept(5_000, 5))), (at(100), 0), "changed by hand");
    assert_eq!(since(1_000, &[], None), (at(100), 0), "nobody has looked yet");
    let set = act("1", 7, Act::CeilingSet { from: percent(0), to: percent(1_000) });
    assert_eq!(since(1_000, std::slice::from_ref(&set), Some(&kept(1_000, 5))), (at(7), 0));
    assert_eq!(since(1_000, &[set], Some(&kept(1_000, 9))), (at(9), 2));
    let waived = act("2", 20, Act::Waived { gate: Gate::Cost, until: at(50) });
    assert_eq!(since(1_000, &[waived], Some(&kept(1_000, 5))).0, at(5));
    let mut closed = settings(10_000, 5_000);
    closed.enable_gemini_batch = false;
    let closed = Stand::of(&closed, &[], Some(&kept(5_000, 5)), Mode::Manual, at(100));
    assert_eq!((closed.ramp.in_force(), closed.ramp.since), (Percent::ZERO, at(100)));
}

#[test]
fn after_a_roll_back_only_ops_lift_the_ceiling() {
    let (from, to) = (percent(5_000), percent(1_000));
    let back = act("rollout/move/1", 7, Act::RolledBack { from, to, because: Gate::Cost });
    let of = |ceiling, acts: &[AuditEntry]| {
        let stand = stand(ceiling, acts, Some(&kept(ceiling, 5)));
        (stand.ramp.rolled_back, stand.owed)
    };
    assert_eq!(of(1_000, std::slice::from_ref(&back)), (true, None));
    assert_eq!(
        of(5_000, std::slice::from_ref(&back)),
        (true, Some(to)),
        "not done yet, or by hand"
    );
    assert_eq!(of(500, std::slice::from_ref(&back)), (true, None), "lower still is ops' own");
    let lifted = act("1", 8, Act::CeilingSet { from: to, to: from });
    assert_eq!(of(5_000, &[lifted, back]), (false, None));
}

#[test]
fn a_raise_is_owed_until_it_was_told_of() {
    let (from, to) = (percent(1_000), percent(5_000));
    let raised = act("rollout/move/1", 7, Act::Raised { from, to });
    let acts = std::slice::from_ref(&raised);
    let told = Kept { told: Some((at(7), raised.id.clone())), ..kept(1_000, 5) };
    let fresh = Kept { told: Some((at(6), AuditId::from("rollout/ready/1"))), ..kept(1_000, 5) };
    let owing = stand(1_000, acts, Some(&fresh));
    assert_eq!((owing.owed, owing.untold.len()), (Some(to), 1));
    assert_eq!(stand(500, acts, Some(&fresh)).owed, None, "ops cut it meanwhile");
    let done = stand(1_000, acts, Some(&told));
    assert_eq!((done.owed, done.untold.len()), (None, 0));
    assert_eq!(done.ramp.good, Phase::Ten);
    assert_eq!(stand(1_000, acts, None).untold, [], "without a status, what is old was told");
}

#[test]
fn the_last_word_on_a_gate_counts() {
    let waived = |id, hours, until| act(id, hours, Act::Waived { gate: Gate::Cost, until });
    let acts = [waived("2", 6, at(200)), waived("1", 5, at(150))];
    let waivers = stand(1_000, &acts, None).waivers;
    assert_eq!((waivers.len(), waivers[0].until, waivers[0].at), (1, at(200), at(6)));
    let ended = [waived("3", 7, at(7)), acts[0].clone()];
    assert_eq!(stand(1_000, &ended, None).waivers, []);
}

/// A rollout on memory adapters.
struct Bed {
    chaos: Arc<Chaos>,
    database: Arc<MemoryDatabase>,
    audit: Arc<MemoryAudit>,
    settings: Arc<MemorySettings>,
    board: Arc<MemoryBoard>,
    bus: Arc<MemoryBus>,
    clock: Arc<TokioClock>,
    rollout: Rollout,
}

impl Bed {
    fn new(traffic: u16, ceiling: u16, mode: Mode) -> Self {
        let chaos = Arc::new(Chaos::seeded(1));
        let clock = Arc::new(TokioClock::starting_at(start()));
        let queues = Arc::new(MemoryQueues::new(clock.clone(), chaos.clone()));
        let bus = MemoryBus::new(clock.clone(), chaos.clone(), queues, Vec::new()).recording();
        let bus = Arc::new(bus);
        let database = Arc::new(MemoryDatabase::new(chaos.clone()));
        let audit = Arc::new(MemoryAudit::new(chaos.clone()));
        let settings = Arc::new(MemorySettings::new(settings(traffic, ceiling)));
        let board = Arc::new(MemoryBoard::default());
        let rollout = Rollout {
            observations: database.clone(),
            audit: audit.clone(),
            ledger: Arc::new(MemoryAttempts::new(chaos.clone())),
            settings: settings.clone(),
            knobs: settings.clone(),
            board: board.clone(),
            bus: bus.clone(),
            clock: clock.clone(),
            catalogue: catalogue(),
            mode,
            rules: Rules::default(),
        };
        Self { chaos, database, audit, settings, board, bus, clock, rollout }
    }

    async fn run(&self) -> Result<Move, StageError> {
        self.rollout.run(&Invocation { deadline: self.clock.now() }).await
    }

    async fn hours(&self, hours: u64) {
        tokio::time::advance(std::time::Duration::from_secs(hours * 3_600)).await;
    }

    /// So many renders on the Gemini route, of which every `nth` is drawn by another, each of its own user.
    async fn renders(&self, count: u64, nth: u64) {
        let now = self.clock.now();
        for n in 0..count {
            let id = RenderId::generate(&SeededRandom::new(n), now);
            let (row, at) = (online_render(n), now + TimeDelta::seconds(20));
            let mut row = Render { id, accepted_at: now, ..row };
            row.idempotency_key = format!("{}-{n}", now.timestamp());
            self.database.insert(row.clone(), unlimited()).await.unwrap();
            row.version = 1;
            row.costs.insert(row.own_attempt(), Micros::new(30_000));
            // Whoever fails is helped at once.
            let by = if n % nth == 0 { Step::PhotoMaker } else { Step::Gemini };
            row.course.as_mut().unwrap().drawn_by = Some(by);
            let picture = PictureRef { key: "out/a".to_owned(), bytes: 1, mime: Mime::Jpeg };
            let (fidelity, size) = (by.fidelity(), Size::OneK);
            row.status = RenderStatus::Succeeded { picture, fidelity, size, at };
            assert_eq!(self.database.update(&[row]).await, Ok(vec![true]));
        }
    }

    async fn acts(&self) -> Vec<Act> {
        let acts = self.audit.recent(start(), 9).await.unwrap();
        acts.into_iter().map(|entry| entry.act).collect()
    }

    async fn ceiling(&self) -> Percent {
        self.settings.settings().await.traffic_ceiling
    }

    fn status(&self) -> RolloutReport {
        serde_json::from_str(&self.board.posted(StatusName::Rollout).unwrap()).unwrap()
    }

    /// What was told, without repeats.
    fn told(&self) -> Vec<Value> {
        let events = self.bus.drain().into_iter();
        let mut told: Vec<Value> = Vec::new();
        for published in events {
            assert_eq!(published.event.source, ACTOR);
            let detail: Value = serde_json::from_str(&published.event.detail).unwrap();
            assert_eq!(detail["type"], published.event.detail_type);
            if !told.contains(&detail) {
                told.push(detail);
            }
        }
        told
    }

    /// At 50 % since an hour, with a provider that fails every fourth; seen once before that.
    async fn failing() -> Self {
        let bed = Self::new(5_000, 10_000, Mode::Manual);
        let was = Act::Ready { next: Phase::Fifty };
        bed.audit.record(&act("rollout/ready/1", 0, was)).await.unwrap();
        assert!(matches!(bed.run().await, Ok(Move::Hold { .. })));
        bed.told();
        bed.hours(1).await;
        bed.renders(200, 4).await;
        bed.hours(1).await;
        bed
    }

    async fn is_rolled_back(&self) {
        let back =
            Act::RolledBack { from: percent(5_000), to: percent(1_000), because: Gate::Failures };
        assert_eq!(self.acts().await, [back, Act::Ready { next: Phase::Fifty }]);
        assert_eq!(self.ceiling().await, percent(1_000));
        let told = self.told();
        assert_eq!(told.len(), 1, "one story: {told:?}");
        assert_eq!(
            (&told[0]["type"], &told[0]["to"]),
            (&json!("rollout.rolled_back"), &json!("10"))
        );
        let status = self.status();
        assert!(status.rolled_back && status.in_force == percent(1_000), "{status:?}");
        assert_eq!(self.settings.settings().await.traffic_percent, percent(5_000), "ops' own");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_fails_sends_the_ceiling_back() {
    let bed = Bed::failing().await;
    let step = bed.run().await.unwrap();
    assert_eq!(step, Move::RollBack { to: Phase::Ten, because: Gate::Failures });
    assert!(bed.status().says.starts_with("rolled back to 10 %: failures fails, 0.25"));
    let entry = bed.audit.recent(start(), 1).await.unwrap().remove(0);
    assert_eq!(entry.evidence["images"], 200);
    bed.is_rolled_back().await;
    // What was seen at 50 % says nothing of 10 %.
    bed.hours(1).await;
    assert!(matches!(bed.run().await, Ok(Move::Hold { .. })));
    assert_eq!(bed.acts().await.len(), 2);
    assert_eq!(bed.told(), Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_run_may_die_anywhere_and_the_next_one_makes_it_good() {
    for polls in 1.. {
        let bed = Bed::failing().await;
        let died = {
            let mut run = pin!(bed.run());
            let mut died = true;
            for _ in 0..polls {
                if let Poll::Ready(done) = poll!(run.as_mut()) {
                    assert!(done.is_ok(), "{done:?}");
                    died = false;
                    break;
                }
            }
            died
        };
        if !died {
            assert!(polls > 10, "it waits for others more often than {polls} times");
            return;
        }
        bed.hours(1).await;
        assert!(bed.run().await.is_ok());
        bed.is_rolled_back().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_is_away_does_not_keep_the_traffic_up() {
    let bed = Bed::failing().await;
    let untold = act("rollout/ready/2", 1, Act::Ready { next: Phase::Fifty });
    bed.audit.record(&untold).await.unwrap();
    bed.chaos.fail_next(Call::BusPublish, Mishap::Throttled);
    assert!(matches!(bed.run().await, Err(StageError::Retry(_))));
    assert_eq!(bed.ceiling().await, percent(1_000));
}

#[tokio::test(start_paused = true)]
async fn runs_at_once_decide_once() {
    let bed = Bed::failing().await;
    let (one, other) = join(bed.run(), bed.run()).await;
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    bed.is_rolled_back().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_made_good_by_the_next_run() {
    for call in [Call::AuditRecord, Call::AuditRead, Call::RenderObserve, Call::BusPublish] {
        for mishap in [Mishap::Throttled, Mishap::Lost] {
            let bed = Bed::failing().await;
            bed.chaos.fail_next(call, mishap);
            assert!(matches!(bed.run().await, Err(StageError::Retry(_))), "{call:?}");
            assert!(bed.run().await.is_ok());
            bed.is_rolled_back().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_seen_never_passes_and_nothing_is_asked_while_it_is_off() {
    let bed = Bed::new(1_000, 10_000, Mode::Automatic);
    for _ in 0..10 {
        let why = Why::Gate { gate: Gate::Cost, verdict: crate::gates::Verdict::NoData };
        assert_eq!(bed.run().await, Ok(Move::Hold { why }));
        bed.hours(24).await;
    }
    let off = Bed::new(0, 10_000, Mode::Automatic);
    off.chaos.fail_next(Call::RenderObserve, Mishap::Throttled);
    assert_eq!(off.run().await, Ok(Move::Hold { why: Why::Off }));
    assert!(bed.acts().await.is_empty() && off.acts().await.is_empty());
}
