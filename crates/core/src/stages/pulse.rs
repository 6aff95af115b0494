//! What a process knows of its backends: read at most every two seconds, and never a reason for a
//! render to fail.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{Either, select};

use crate::{
    catalogue::Backend,
    ids::RenderId,
    metrics::{BREAKER_MOVES, PROVIDER_CALLS},
    ports::{Clock, PortError, ProviderHealth},
    vitals::{Admission, BreakerRules, Gate, Sign, Subject, Tally, Vitals},
};

/// How long a look stands.
const STANDS: TimeDelta = TimeDelta::seconds(2);
/// How long the store may take, whatever it is asked.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a change is decided anew that another's was in the way of.
const ROUNDS: usize = 4;

/// The health of backends, as one process sees it.
#[derive(Debug)]
pub struct Pulse {
    health: Arc<dyn ProviderHealth>,
    clock: Arc<dyn Clock>,
    known: Mutex<BTreeMap<Subject, (DateTime<Utc>, Vitals)>>,
    /// Held by the one who reads, while others wait for what is read.
    asking: tokio::sync::Mutex<()>,
}

impl Pulse {
    pub fn new(health: Arc<dyn ProviderHealth>, clock: Arc<dyn Clock>) -> Self {
        Self { health, clock, known: Mutex::default(), asking: tokio::sync::Mutex::new(()) }
    }

    /// What is known: at most two seconds old, older where nothing can be read, all well where
    /// nothing ever could.
    pub async fn vitals(&self, subject: impl Into<Subject> + Send) -> Vitals {
        let subject = subject.into();
        if let Some(vitals) = self.fresh(subject) {
            return vitals;
        }
        let _one_at_a_time = self.asking.lock().await;
        if let Some(vitals) = self.fresh(subject) {
            return vitals;
        }
        match self.read(subject).await {
            Ok(vitals) => vitals,
            Err(error) => {
                tracing::warn!(%subject, %error, "how it does could not be read");
                // Asked again in two seconds, not by every render.
                let last = self.kept().get(&subject).map(|(_, vitals)| vitals.clone());
                self.keep(subject, last.unwrap_or_default())
            }
        }
    }

    /// Whether a call for these renders may go out; where somebody has to try first, whether it is one
    /// of them.
    pub async fn admit<'a>(
        &self,
        backend: Backend,
        renders: impl Iterator<Item = &'a RenderId> + Clone,
    ) -> Admission {
        let admission = |vitals: &Vitals| vitals.admission(renders.clone(), self.clock.now());
        let admitted = admission(&self.vitals(backend).await);
        let Some(render) = renders.clone().next().filter(|_| admitted == Admission::Probe) else {
            return admitted;
        };
        if self.lease(backend, render).await {
            return Admission::Go;
        }
        match admission(&self.vitals(backend).await) {
            // The store is away: it is asked again when the next look is due.
            Admission::Probe => Admission::Barred { until: self.clock.now() + STANDS },
            admitted => admitted,
        }
    }

    /// Makes the render the one that tries; the first to ask gets it.
    pub async fn lease(&self, backend: Backend, render: &RenderId) -> bool {
        let rules = BreakerRules::of(backend);
        let decide = |vitals: &Vitals| vitals.leased(render, self.clock.now(), &rules);
        let leased = self.change(backend, decide).await;
        let is_leased = leased.as_ref().is_ok_and(Option::is_some);
        if let Err(error) = leased {
            tracing::warn!(%backend, %error, "a try could not be arranged");
        }
        if is_leased {
            tracing::info!(%backend, %render, "tries whether the backend is back");
            BREAKER_MOVES.count([backend.as_str(), "probe"], 1);
        }
        is_leased
    }

    /// Lets another try, since this render will not.
    pub async fn give_back(&self, backend: Backend, render: &RenderId) {
        let decide = |vitals: &Vitals| vitals.given_back(render);
        if let Err(error) = self.change(backend, decide).await {
            tracing::warn!(%backend, %error, "a try could not be given back");
        }
    }

    /// Counts calls for these renders and lets the breaker follow from the last one's sign.
    pub async fn record<'a>(
        &self,
        backend: Backend,
        renders: impl Iterator<Item = &'a RenderId> + Clone,
        tally: Tally,
        sign: Sign,
    ) {
        let now = self.clock.now();
        if tally.calls > 0 {
            PROVIDER_CALLS.count([backend.as_str(), sign.as_str()], tally.calls);
            self.count(backend, tally).await;
        }
        // A call may end in another process than it began in, which knows nothing of a try, or knows
        // what was long ago.
        if sign == Sign::Good && self.vitals(backend).await.gate(now) == Gate::Closed {
            return;
        }
        let rules = BreakerRules::of(backend);
        let decide =
            |vitals: &Vitals| vitals.after(renders.clone(), sign, self.clock.now(), &rules);
        match self.change(backend, decide).await {
            Ok(Some(vitals)) if vitals.gate(now) == Gate::Closed => {
                tracing::warn!(%backend, "the backend is back: its breaker closed");
                BREAKER_MOVES.count([backend.as_str(), "closed"], 1);
            }
            // Nothing was learnt: another may try.
            Ok(Some(vitals)) if vitals.gate(now) == Gate::HalfOpen => {}
            Ok(Some(vitals)) => {
                tracing::error!(%backend, breaker = ?vitals.breaker, "a breaker opened");
                BREAKER_MOVES.count([backend.as_str(), "opened"], 1);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%backend, %error, "a breaker could not be moved"),
        }
    }

    /// Counts calls, and concludes nothing from them.
    pub async fn count(&self, subject: impl Into<Subject> + Send, tally: Tally) {
        let (subject, now) = (subject.into(), self.clock.now());
        if let Err(error) = self.in_time(self.health.record(subject, now, tally)).await {
            tracing::warn!(%subject, %error, "calls could not be counted");
        }
    }

    /// Stores what is decided on the row as it stands; none where nothing is.
    async fn change(
        &self,
        backend: Backend,
        decide: impl Fn(&Vitals) -> Option<Vitals>,
    ) -> Result<Option<Vitals>, PortError> {
        for _ in 0..ROUNDS {
            let Some(next) = decide(&self.read(backend.into()).await?) else {
                return Ok(None);
            };
            if self.in_time(self.health.change(backend, &next)).await? {
                let next = Vitals { version: next.version + 1, ..next };
                return Ok(Some(self.keep(backend.into(), next)));
            }
        }
        Ok(None)
    }

    async fn read(&self, subject: Subject) -> Result<Vitals, PortError> {
        let vitals = self.in_time(self.health.read(subject, self.clock.now())).await?;
        Ok(self.keep(subject, vitals))
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, PortError>> + Send,
    ) -> Result<T, PortError> {
        match select(Box::pin(work), self.clock.sleep(PATIENCE)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(PortError::Unavailable("no answer in time".to_owned())),
        }
    }

    fn fresh(&self, subject: Subject) -> Option<Vitals> {
        let now = self.clock.now();
        let kept = self.kept();
        let (at, vitals) = kept.get(&subject)?;
        (*at..*at + STANDS).contains(&now).then(|| vitals.clone())
    }

    fn keep(&self, subject: Subject, vitals: Vitals) -> Vitals {
        self.kept().insert(subject, (self.clock.now(), vitals.clone()));
        vitals
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<Subject, (DateTime<Utc>, Vitals)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
