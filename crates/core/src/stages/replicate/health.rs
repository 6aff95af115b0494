//! Minding the account and its models: nothing is bought while the account is refused, and what came
//! of each call is counted.

use std::time::Duration;

use futures_util::future::join;

use super::Replicate;
use crate::{
    attempt::{Attempt, WaitReason},
    catalogue::Backend,
    chain::Step,
    ids::RenderId,
    metrics::CALLS_PUT_OFF,
    outcome::{FailClass, Outcome},
    ports::CallError,
    stages::{
        StageError,
        buyer::{Again, Purchase},
    },
    vitals::{Admission, Gate, Sign, Tally},
};

/// Over how much longer than the account is shut its renders come back, in milliseconds.
const SPREAD_MS: u64 = 15_000;

/// Whose calls are counted, kept while the attempt itself goes on.
pub(super) struct Caller {
    render: RenderId,
    step: Step,
    repeats: bool,
}

impl Caller {
    pub(super) fn of(attempt: &Attempt) -> Self {
        let render = attempt.shares[0].render_id.clone();
        Self { render, step: attempt.step, repeats: attempt.busy > 0 }
    }
}

impl Replicate {
    /// Whether the account is refused, as far as is known; unless it is for this render to ask.
    pub(super) async fn barred(&self, attempt: &Attempt) -> bool {
        let render = [&attempt.shares[0].render_id];
        let admitted = self.pulse.admit(Backend::Replicate, render.into_iter()).await;
        matches!(admitted, Admission::Barred { .. })
    }

    /// One account pays for all models, so that there is nowhere else to go: the render waits for it,
    /// as long as its step has its turn.
    pub(super) async fn turn_away(
        &self,
        attempt: Attempt,
        purchase: Purchase,
    ) -> Result<(), StageError> {
        CALLS_PUT_OFF.count([Backend::Replicate.as_str(), "barred"], 1);
        let now = self.buyer.clock.now();
        let asked = match self.pulse.vitals(Backend::Replicate).await.gate(now) {
            // Not all in the same second.
            Gate::Open { until } => {
                let spread = Duration::from_millis(self.buyer.random.next_u64() % SPREAD_MS);
                (until - now).to_std().ok().map(|wait| wait + spread)
            }
            // Whoever tries may be done soon.
            Gate::Closed | Gate::HalfOpen | Gate::Probing { .. } => None,
        };
        self.buyer.put_off(attempt, purchase, asked, Again::Soon, WaitReason::Barred).await
    }

    /// A create gave no prediction: counted, and the attempt waits, holds or ends. Where the account
    /// was refused nothing was bought, and it waits like all that come after it.
    pub(super) async fn not_answered(
        &self,
        attempt: Attempt,
        purchase: Purchase,
        error: CallError,
    ) -> Result<(), StageError> {
        let caller = Caller::of(&attempt);
        let sign = match &error {
            CallError::NotCreated { ours: true, .. } | CallError::Unfit(_) => None,
            CallError::NotCreated { .. } => Some(Sign::Busy),
            CallError::Unknown(_) => Some(Sign::Failed),
            CallError::Rejected { class, .. } => Some(sign_of_class(*class)),
        };
        if sign == Some(Sign::Account) {
            tracing::error!(attempt = %attempt.id, %error, "the account is refused");
            self.count(caller, Sign::Account, None).await;
            return self.turn_away(attempt, purchase).await;
        }
        let counted = async {
            if let Some(sign) = sign {
                self.count(caller, sign, None).await;
            }
        };
        let go_on = self.buyer.not_answered(attempt, purchase, error, Again::Soon);
        join(go_on, counted).await.0
    }

    /// Counts a create that failed, or a prediction at its end: for the account, and for the model. A
    /// picture counts with the time that it took.
    pub(super) async fn count(&self, caller: Caller, sign: Sign, took: Option<Duration>) {
        let Caller { render, step, repeats } = caller;
        let millis = took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let tally = Tally {
            calls: 1,
            failures: u64::from(matches!(sign, Sign::Failed | Sign::Account)),
            throttled: u64::from(sign == Sign::Busy),
            retries: u64::from(repeats),
            timed: u64::from(millis.is_some()),
            millis: millis.unwrap_or_default(),
        };
        let account = self.pulse.record(Backend::Replicate, [&render].into_iter(), tally, sign);
        join(account, self.pulse.count(step, tally)).await;
    }

    /// Nothing was learnt: should its render be the one that tries, another may.
    pub(super) async fn leave_to_another(&self, caller: Caller) {
        self.pulse.give_back(Backend::Replicate, &caller.render).await;
    }

    /// A question after a prediction was refused for the account: no create would fare better.
    pub(super) async fn refused(&self, attempt: &Attempt) {
        let render = [&attempt.shares[0].render_id];
        let (backend, nothing) = (Backend::Replicate, Tally::default());
        self.pulse.record(backend, render.into_iter(), nothing, Sign::Account).await;
    }
}

/// What a prediction's end says. One that was cancelled says nothing, unless it had all its time.
pub(super) const fn sign_of_outcome(outcome: &Outcome, in_time: bool) -> Option<Sign> {
    match outcome {
        Outcome::Failed { class: FailClass::Cancelled } if in_time => None,
        Outcome::Failed { class: FailClass::Cancelled } => Some(Sign::Failed),
        Outcome::Failed { class } => Some(sign_of_class(*class)),
        Outcome::Image { .. } | Outcome::Refused => Some(Sign::Good),
    }
}

const fn sign_of_class(class: FailClass) -> Sign {
    match class {
        FailClass::Account => Sign::Account,
        FailClass::Provider | FailClass::Platform | FailClass::Setup | FailClass::Unknown => {
            Sign::Failed
        }
        // Our request, our wish, our money, our slowness: no fault of the model.
        FailClass::Missing
        | FailClass::NoImage
        | FailClass::Exhausted
        | FailClass::Invalid
        | FailClass::Retired
        | FailClass::Cancelled
        | FailClass::Expired
        | FailClass::Deferred
        | FailClass::Unfunded
        | FailClass::Diverted => Sign::Good,
    }
}
