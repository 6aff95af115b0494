use tokio::time::Instant;

use super::*;
use crate::{
    contract::fixtures::{render_id, start},
    memory::{Call, Chaos, MemoryHealth, Mishap, Rates, TokioClock},
    vitals::Breaker,
};

const BACKEND: Backend = Backend::GeminiOnline;

struct Ward {
    chaos: Arc<Chaos>,
    health: Arc<MemoryHealth>,
    clock: Arc<dyn Clock>,
}

impl Ward {
    fn new() -> Self {
        let chaos = Arc::new(Chaos::seeded(1));
        let health = Arc::new(MemoryHealth::new(chaos.clone()));
        Self { chaos, health, clock: Arc::new(TokioClock::starting_at(start())) }
    }

    fn pulse(&self) -> Pulse {
        Pulse::new(self.health.clone(), self.clock.clone())
    }

    async fn wait(&self, millis: u64) {
        self.clock.sleep(Duration::from_millis(millis)).await;
    }
}

fn failed() -> Tally {
    Tally { calls: 1, failures: 1, ..Tally::default() }
}

async fn fail(pulse: &Pulse, n: u64, sign: Sign) {
    pulse.record(BACKEND, [render_id(n)].iter(), failed(), sign).await;
}

async fn gate(pulse: &Pulse) -> Gate {
    pulse.vitals(BACKEND).await.gate(pulse.clock.now())
}

#[tokio::test(start_paused = true)]
async fn others_see_an_open_breaker_within_two_seconds() {
    let ward = Ward::new();
    let (one, other) = (ward.pulse(), ward.pulse());
    assert_eq!(gate(&other).await, Gate::Closed);
    for n in 0..5 {
        fail(&one, n, Sign::Failed).await;
    }
    assert!(matches!(gate(&one).await, Gate::Open { .. }));
    assert_eq!(gate(&other).await, Gate::Closed, "what was read stands for two seconds");
    ward.wait(2_000).await;
    assert!(matches!(gate(&other).await, Gate::Open { .. }));
}

#[tokio::test(start_paused = true)]
async fn one_of_many_tries_and_lets_the_others_back() {
    let ward = Ward::new();
    let pulses = [ward.pulse(), ward.pulse(), ward.pulse()];
    fail(&pulses[0], 9, Sign::Account).await;
    ward.wait(60_000).await;
    let mut admitted = Vec::new();
    for (n, pulse) in (0..).zip(&pulses) {
        admitted.push(pulse.admit(BACKEND, [render_id(n)].iter()).await == Admission::Go);
    }
    assert_eq!(admitted, [true, false, false]);
    let tally = Tally { calls: 1, ..Tally::default() };
    pulses[0].record(BACKEND, [render_id(0)].iter(), tally, Sign::Good).await;
    ward.wait(2_000).await;
    for pulse in &pulses {
        assert_eq!(gate(pulse).await, Gate::Closed);
    }
}

/// A prediction is asked after by whoever is free.
#[tokio::test(start_paused = true)]
async fn a_try_may_end_in_a_process_that_knows_of_none() {
    let ward = Ward::new();
    let (new, old) = (ward.pulse(), ward.pulse());
    assert_eq!(gate(&old).await, Gate::Closed);
    for other in [new, old] {
        let one = ward.pulse();
        fail(&one, 9, Sign::Account).await;
        ward.wait(60_000).await;
        assert_eq!(one.admit(BACKEND, [render_id(0)].iter()).await, Admission::Go);
        ward.wait(10_000).await;
        let tally = Tally { calls: 1, ..Tally::default() };
        other.record(BACKEND, [render_id(0)].iter(), tally, Sign::Good).await;
        assert_eq!(gate(&ward.pulse()).await, Gate::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_as_it_was_then_closed() {
    let ward = Ward::new();
    let known = ward.pulse();
    fail(&known, 1, Sign::Account).await;
    let away = Rates { throttled: 10_000, ..Rates::default() };
    for call in [Call::HealthRead, Call::HealthRecord, Call::HealthChange] {
        ward.chaos.set_rates_of(call, away);
    }
    ward.wait(10_000).await;
    assert!(matches!(gate(&known).await, Gate::Open { .. }));
    let stranger = ward.pulse();
    assert_eq!(gate(&stranger).await, Gate::Closed);
    // Nor does counting fail anybody.
    fail(&stranger, 2, Sign::Failed).await;
    ward.wait(60_000).await;
    let barred = known.admit(BACKEND, [render_id(1)].iter()).await;
    assert!(matches!(barred, Admission::Barred { .. }), "no lease, no try: {barred:?}");
}

#[tokio::test(start_paused = true)]
async fn a_look_is_shared_by_all_who_ask_meanwhile() {
    let ward = Ward::new();
    let pulse = ward.pulse();
    // The first read fails. Were each of them to read, another would see the open breaker.
    fail(&ward.pulse(), 1, Sign::Account).await;
    ward.chaos.fail_next(Call::HealthRead, Mishap::Throttled);
    let looks = futures_util::future::join_all((0..50).map(|_| gate(&pulse))).await;
    assert!(looks.iter().all(|gate| *gate == Gate::Closed));
    ward.wait(2_000).await;
    assert!(matches!(gate(&pulse).await, Gate::Open { .. }));
}

/// Never answers.
#[derive(Debug)]
struct Silent;

#[async_trait::async_trait]
impl ProviderHealth for Silent {
    async fn record(&self, _: Subject, _: DateTime<Utc>, _: Tally) -> Result<(), PortError> {
        std::future::pending().await
    }
    async fn read(&self, _: Subject, _: DateTime<Utc>) -> Result<Vitals, PortError> {
        std::future::pending().await
    }
    async fn change(&self, _: Backend, _: &Vitals) -> Result<bool, PortError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_store_holds_nobody_up() {
    let pulse = Pulse::new(Arc::new(Silent), Arc::new(TokioClock::starting_at(start())));
    let began = Instant::now();
    assert_eq!(pulse.vitals(BACKEND).await.breaker, Breaker::default());
    fail(&pulse, 1, Sign::Failed).await;
    assert!(began.elapsed() <= 3 * PATIENCE);
}
