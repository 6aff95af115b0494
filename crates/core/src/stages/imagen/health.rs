//! Minding a backend's health: calls are held back, kept from an open breaker, and counted.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join;

use super::Imagen;
use crate::{
    attempt::{Attempt, NeverBought, WaitReason},
    catalogue::Backend,
    ids::RenderId,
    lane::Lane,
    metrics::CALLS_PUT_OFF,
    outcome::{FailClass, Outcome, RenderOutcome},
    ports::{CallError, RowAnswer},
    stages::{
        StageError,
        buyer::{Again, Purchase},
    },
    vitals::{Admission, Gate, Sign, TRIES, Tally},
};

/// Whose calls are counted, kept while the attempt itself goes on.
pub(super) struct Caller {
    backend: Backend,
    renders: Vec<RenderId>,
    repeats: bool,
}

impl Caller {
    pub(super) fn of(attempt: &Attempt) -> Self {
        let renders = attempt.shares.iter().map(|share| share.render_id.clone()).collect();
        Self { backend: attempt.backend, renders, repeats: attempt.busy > 0 }
    }

    /// The end of its job, which repeats nothing.
    pub(super) fn of_job(attempt: &Attempt) -> Self {
        Self { repeats: false, ..Self::of(attempt) }
    }
}

impl Imagen {
    /// Waits before a call as long as a backend that asked for patience is owed, as far as the renders
    /// have the time, and the call may still begin by `latest`.
    pub(super) async fn pace(&self, purchase: &Purchase, latest: DateTime<Utc>) {
        let (clock, backend) = (&self.buyer.clock, purchase.key.backend);
        let now = clock.now();
        let pause = self.pulse.vitals(backend).await.pause(now, self.buyer.random.next_u64());
        let left = purchase.wait_until().min(latest) - now;
        let pause = pause.min(left.to_std().unwrap_or_default());
        if pause > Duration::ZERO {
            CALLS_PUT_OFF.count([backend.as_str(), "paced"], 1);
            clock.sleep(pause).await;
        }
    }

    /// Whether nothing keeps calls from a backend, as far as is known.
    pub(super) async fn is_well(&self, backend: Backend) -> bool {
        self.pulse.vitals(backend).await.gate(self.buyer.clock.now()) == Gate::Closed
    }

    /// Until when the call may not be made; none where it may.
    pub(super) async fn barred(&self, attempt: &Attempt) -> Option<DateTime<Utc>> {
        let renders = attempt.shares.iter().map(|share| &share.render_id);
        match self.pulse.admit(attempt.backend, renders).await {
            Admission::Barred { until } => Some(until),
            Admission::Go | Admission::Probe => None,
        }
    }

    /// Nothing is bought while the breaker is open: who has somewhere else to go goes there at once,
    /// the others wait as long as they can. So does everybody while nothing is bought there either.
    pub(super) async fn turn_away(
        &self,
        attempt: Attempt,
        purchase: Purchase,
        until: DateTime<Utc>,
    ) -> Result<(), StageError> {
        CALLS_PUT_OFF.count([attempt.backend.as_str(), "barred"], 1);
        let elsewhere = self.pulse.vitals(Backend::Replicate).await.gate(self.buyer.clock.now());
        if purchase.diverts() && !elsewhere.is_shut() {
            return self.buyer.end_unbought(attempt, NeverBought::Diverted).await.map(drop);
        }
        let asked = (until - self.buyer.clock.now()).to_std().ok();
        self.buyer.put_off(attempt, purchase, asked, Again::Soon, WaitReason::Barred).await
    }

    /// The call gave no answer: counted, and the attempt waits, holds or ends.
    pub(super) async fn not_answered(
        &self,
        attempt: Attempt,
        purchase: Purchase,
        error: CallError,
    ) -> Result<(), StageError> {
        let again = self.again(&attempt).await;
        let sign = match &error {
            CallError::NotCreated { ours: true, .. } => None,
            CallError::Unfit(_) => {
                self.leave_to_another(&attempt).await;
                None
            }
            CallError::NotCreated { .. } if attempt.busy + 1 < TRIES && again == Again::Soon => {
                Some(Sign::Busy)
            }
            CallError::NotCreated { .. } | CallError::Unknown(_) => Some(Sign::Failed),
            CallError::Rejected { class, .. } => Some(self.sign_of_class(&attempt, *class)),
        };
        let caller = Caller::of(&attempt);
        let throttled = matches!(error, CallError::NotCreated { .. });
        let go_on = self.buyer.not_answered(attempt, purchase, error, again);
        let counted = async {
            if let Some(sign) = sign {
                self.count(caller, sign, throttled).await;
            }
        };
        join(go_on, counted).await.0
    }

    /// Should one of these renders be the one that tries, it cannot.
    async fn leave_to_another(&self, attempt: &Attempt) {
        if self.is_well(attempt.backend).await {
            return;
        }
        for share in &attempt.shares {
            self.pulse.give_back(attempt.backend, &share.render_id).await;
        }
    }

    /// Whether a call from which nothing came is made again soon: a few times at most, and only while
    /// repetitions are a small part of all calls. A batch has the time to ask by the minute.
    async fn again(&self, attempt: &Attempt) -> Again {
        if attempt.lane == Lane::Batch {
            return Again::Soon;
        }
        let vitals = self.pulse.vitals(attempt.backend).await;
        if attempt.busy + 1 < TRIES && vitals.may_repeat(self.buyer.clock.now()) {
            Again::Soon
        } else {
            Again::Last
        }
    }

    /// A job was taken. That counts as no call: its end will tell whether it was done. Yet the one that
    /// tries has found a backend that takes jobs.
    pub(super) async fn job_taken(&self, Caller { backend, renders, .. }: Caller) {
        self.pulse.record(backend, renders.iter(), Tally::default(), Sign::Good).await;
    }

    /// Counts a call that came to an end.
    pub(super) async fn count(&self, caller: Caller, sign: Sign, throttled: bool) {
        let Caller { backend, renders, repeats } = caller;
        let failed = matches!(sign, Sign::Failed | Sign::Account);
        let tally = Tally {
            calls: 1,
            failures: u64::from(failed),
            throttled: u64::from(throttled),
            retries: u64::from(repeats),
            ..Tally::default()
        };
        self.pulse.record(backend, renders.iter(), tally, sign).await;
    }

    /// What a finished job says: as long as one row was answered, the backend works. Rows that were
    /// never sent say nothing, nor do those that we had cancelled.
    pub(super) fn sign_of_job(
        &self,
        attempt: &Attempt,
        outcomes: &[RenderOutcome],
    ) -> Option<Sign> {
        let sent = outcomes.iter().filter(|one| !attempt.left_out.contains(&one.render_id));
        let signs = sent.filter_map(|one| match one.outcome {
            Outcome::Failed { class: FailClass::Cancelled } => None,
            Outcome::Failed { class } => Some(self.sign_of_class(attempt, class)),
            Outcome::Image { .. } | Outcome::Refused => Some(Sign::Good),
        });
        signs.min_by_key(|sign| *sign as u8)
    }

    /// A model that is gone, and has no successor, is for a person to replace.
    pub(super) fn sign_of_class(&self, attempt: &Attempt, class: FailClass) -> Sign {
        if class == FailClass::Retired && !self.buyer.has_successor(attempt) {
            return Sign::Account;
        }
        sign_of_class(class)
    }
}

/// What an answer says of the backend: one without a picture is an answer all the same.
pub(super) const fn sign_of_answer(given: &RowAnswer) -> Sign {
    match given {
        RowAnswer::Picture(_) | RowAnswer::Refused => Sign::Good,
        RowAnswer::Failed(class) => sign_of_class(*class),
    }
}

const fn sign_of_class(class: FailClass) -> Sign {
    match class {
        FailClass::Account => Sign::Account,
        FailClass::Retired => Sign::Gone,
        FailClass::Provider | FailClass::Platform | FailClass::Missing | FailClass::Unknown => {
            Sign::Failed
        }
        // Our request, our wish, our money: no fault of the backend.
        FailClass::NoImage
        | FailClass::Exhausted
        | FailClass::Invalid
        | FailClass::Setup
        | FailClass::Cancelled
        | FailClass::Expired
        | FailClass::Deferred
        | FailClass::Unfunded
        | FailClass::Diverted => Sign::Good,
    }
}
