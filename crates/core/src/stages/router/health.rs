//! How the house does, for whoever asks: shares and counts, no amounts.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{join_all, join3, try_join3};

use super::Router;
use crate::{
    budget::{Account, Balance, Verdict},
    catalogue::Backend,
    chain::Step,
    money::Micros,
    ports::{Backlog, PortError},
    vitals::{Gate, MINUTES},
};

/// How long a look stands.
const STANDS: TimeDelta = TimeDelta::seconds(5);
/// A message that waited longer than this is looked after by nobody, in seconds.
const LONG_WAIT: u64 = 300;

/// A look at the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub google: Breaker,
    pub replicate: Breaker,
    pub providers: Vec<Provider>,
    pub models: Vec<Model>,
    /// Batches that are open to more renders.
    pub open_batches: u64,
    pub queues: Vec<Backlog>,
}

/// An account's budget breaker, for the cheapest thing that the account buys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    pub verdict: Verdict,
    /// How much of the day's budget is spent, held or reserved, in percent.
    pub committed_percent: u64,
}

/// How a backend has been answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provider {
    pub backend: Backend,
    pub gate: Gate,
    /// Of the calls of the last minutes, how many failed, in percent.
    pub failed_percent: u64,
}

/// How the model behind a step has been doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    pub step: Step,
    /// As for a backend.
    pub failed_percent: u64,
    /// How long a picture takes on average, waiting included; none where there was none lately.
    pub takes: Option<Duration>,
}

impl Health {
    /// Whether nothing calls for somebody to look.
    pub fn is_good(&self) -> bool {
        let closed = |breaker: &Breaker| breaker.verdict != Verdict::Open;
        let waits = |queue: &Backlog| queue.oldest_seconds.is_some_and(|s| s > LONG_WAIT);
        let flows = |queue: &Backlog| queue.dead == 0 && !waits(queue);
        closed(&self.google)
            && closed(&self.replicate)
            && self.providers.iter().all(|provider| provider.gate == Gate::Closed)
            && self.queues.iter().all(flows)
    }
}

impl Router {
    /// Looks at the ledger, the batches and the queues at once.
    pub async fn health(&self) -> Result<Health, PortError> {
        let today = self.clock.now().date_naive();
        let settings = self.settings.settings().await;
        let looks = try_join3(
            self.ledger.balances(today),
            self.courier.batches.open(),
            self.backlogs.backlogs(),
        );
        let catalogue = self.courier.catalogue.current().await;
        let backends = catalogue.backends();
        let providers = join_all(backends.into_iter().map(|backend| self.provider(backend)));
        let steps = catalogue.predictions();
        let models = join_all(steps.map(|(step, _)| self.model(step)));
        let (looks, providers, models) = join3(looks, providers, models).await;
        let (balances, open_batches, queues) = looks?;
        let breaker = |account| {
            let price = catalogue.cheapest(account, today).unwrap_or_default();
            Breaker::of(balances.of(account), price, settings.daily_budget_of(account))
        };
        Ok(Health {
            google: breaker(Account::Google),
            replicate: breaker(Account::Replicate),
            providers,
            models,
            open_batches,
            queues,
        })
    }
}

impl Router {
    async fn provider(&self, backend: Backend) -> Provider {
        let (now, vitals) = (self.clock.now(), self.pulse.vitals(backend).await);
        let tally = vitals.within(MINUTES, now);
        let failed_percent = tally.failed_percent();
        Provider { backend, gate: vitals.gate(now), failed_percent }
    }

    async fn model(&self, step: Step) -> Model {
        let tally = self.pulse.vitals(step).await.within(MINUTES, self.clock.now());
        Model { step, failed_percent: tally.failed_percent(), takes: tally.mean() }
    }
}

impl Breaker {
    fn of(balance: &Balance, price: Micros, budget: Micros) -> Self {
        Self {
            verdict: balance.judge(price, budget),
            committed_percent: balance.committed_percent(budget),
        }
    }
}

/// The last look, kept for some seconds: anyone may ask, as often as they like.
#[derive(Debug, Default)]
pub struct HealthCache(Mutex<Option<(DateTime<Utc>, Health)>>);

impl HealthCache {
    pub async fn health(&self, router: &Router) -> Result<Health, PortError> {
        let now = router.clock.now();
        let stands = |at: &DateTime<Utc>| (*at..*at + STANDS).contains(&now);
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, health)) = kept.filter(|(at, _)| stands(at)) {
            return Ok(health);
        }
        let health = router.health().await?;
        let last = Some((now, health.clone()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = last;
        Ok(health)
    }
}
