//! What an outcome, or the passing of time, makes of a render.

use chrono::{DateTime, TimeDelta, Utc};

use super::{FailureCode, Owed, Render, RenderStatus};
use crate::{
    chain::{Step, next_step},
    ids::AttemptId,
    lane::Lane,
    outcome::{FailClass, Outcome, RenderOutcome},
};

/// How long a send may be owed before somebody else makes it.
const GRACE: TimeDelta = TimeDelta::seconds(60);
/// How long a try that was handed on may go without being heard of.
pub(super) const STALL: TimeDelta = TimeDelta::seconds(300);
/// How long the news of an attempt may be missing after the render's end before it is asked for.
pub(super) const SILENCE: TimeDelta = TimeDelta::hours(1);
/// Every attempt has its bill within seven days; one that is silent for longer never existed.
const FORGET_AFTER: TimeDelta = TimeDelta::days(8);

/// What this deployment can run.
#[derive(Clone, Debug)]
pub struct ChainRules {
    pub available: Vec<Step>,
    /// With less time than this to its deadline a retry goes Online, in seconds.
    pub batch_min_deadline: u32,
}

/// What became of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The row changed and must be written.
    Changed,
    /// It was known, or came too late to matter.
    Ignored,
}

impl Render {
    /// Applies what an attempt gave. Any image wins while the render has not ended, whichever
    /// attempt brought it; a failure counts only for an attempt that is open.
    pub fn apply(
        &mut self,
        attempt: &AttemptId,
        outcome: &RenderOutcome,
        now: DateTime<Utc>,
        rules: &ChainRules,
    ) -> Applied {
        let was_open = self.open_attempts.remove(attempt);
        let billed = outcome.cost.get() > 0
            && self.costs.insert(attempt.clone(), outcome.cost) != Some(outcome.cost);
        if self.is_ended() {
            self.settle_due();
            return if was_open || billed { Applied::Changed } else { Applied::Ignored };
        }
        match &outcome.outcome {
            Outcome::Image { picture, fidelity } => self.end(RenderStatus::Succeeded {
                picture: picture.clone(),
                fidelity: *fidelity,
                at: now,
            }),
            _ if !was_open => {
                return if billed { Applied::Changed } else { Applied::Ignored };
            }
            Outcome::Refused => self.fail(FailureCode::ContentRefused, now),
            Outcome::Failed { class } if self.open_attempts.is_empty() => {
                self.go_on(attempt, *class, now, rules);
            }
            Outcome::Failed { .. } => self.settle_due(),
        }
        Applied::Changed
    }

    /// The give-up time has come: the render ends as it stands.
    pub fn overdue(&mut self, now: DateTime<Utc>) -> Applied {
        if self.is_ended() || now < self.give_up_at {
            return Applied::Ignored;
        }
        self.fail(FailureCode::TimedOut, now);
        Applied::Changed
    }

    /// Nothing was heard of a try that was handed on: it is handed on once more, which is harmless
    /// where it was only slow. Nothing was heard of an attempt since the render ended: it is asked
    /// after, for its bill.
    pub fn nudge(&mut self, now: DateTime<Utc>) -> Applied {
        if !self.owed.is_empty() {
            return Applied::Ignored;
        }
        if self.is_ended() && now > self.give_up_at + FORGET_AFTER {
            self.open_attempts.clear();
            self.due_at = None;
            return Applied::Changed;
        }
        if self.is_ended() {
            for attempt in self.open_attempts.clone() {
                self.owe(Owed::Ask(attempt), now);
            }
        } else if self.to_join || self.open_attempts.contains(&self.online_attempt()) {
            self.owe(Owed::HandOn, now);
        }
        if self.owed.is_empty() { Applied::Ignored } else { Applied::Changed }
    }

    /// The provider began to work on it.
    pub fn generating(&mut self) -> Applied {
        if !matches!(self.status, RenderStatus::Accepted | RenderStatus::Queued) {
            return Applied::Ignored;
        }
        self.status = RenderStatus::Generating;
        Applied::Changed
    }

    /// Until when an attempt may wait for what it cannot buy yet: to the deadline while another step
    /// could still deliver, else to the give-up time.
    pub(super) fn wait_until(&self, rules: &ChainRules) -> DateTime<Utc> {
        match self.next_step(rules) {
            Some(_) => self.deadline_at.min(self.give_up_at),
            None => self.give_up_at,
        }
    }

    /// When somebody should look after the row: soon for what it owes, at give-up for its end.
    pub(super) fn settle_due(&mut self) {
        self.due_at = match (self.owed.is_empty(), self.is_ended()) {
            (true, true) if self.open_attempts.is_empty() => None,
            (true, true) => self.due_at,
            (true, false) => Some(self.give_up_at),
            (false, _) => self.due_at.or(Some(self.give_up_at)),
        };
    }

    fn next_step(&self, rules: &ChainRules) -> Option<Step> {
        next_step(self.served, self.step, self.request.accept_described, &rules.available)
    }

    fn go_on(
        &mut self,
        attempt: &AttemptId,
        class: FailClass,
        now: DateTime<Utc>,
        rules: &ChainRules,
    ) {
        if now >= self.give_up_at {
            return self.fail(FailureCode::TimedOut, now);
        }
        if class == FailClass::Unknown && self.granted.is_some() {
            return self.fail(FailureCode::ProviderUnavailable, now);
        }
        if self.may_repeat(attempt, class, now, rules) {
            self.n = self.n.saturating_add(1);
        } else if let Some(step) = self.next_step(rules) {
            self.step = step;
            self.n = 1;
        } else if matches!(class, FailClass::Unfunded | FailClass::Deferred) {
            return self.fail(FailureCode::BudgetExhausted, now);
        } else {
            return self.fail(FailureCode::ProviderUnavailable, now);
        }
        if class == FailClass::Unknown {
            self.granted = Some(attempt.clone());
        }
        self.open_try(now, rules);
    }

    /// Whether the same step is tried once more.
    fn may_repeat(
        &self,
        attempt: &AttemptId,
        class: FailClass,
        now: DateTime<Utc>,
        rules: &ChainRules,
    ) -> bool {
        match class {
            // A batch job leaves a name to be found by; one that was looked for in vain was most
            // likely never created. An online call leaves nothing.
            FailClass::Unknown => attempt.owner() != self.id.as_batch(),
            // Somebody else in the batch ran out of time. An online try runs out of its own.
            FailClass::Expired | FailClass::Deferred => {
                attempt.owner() != self.id.as_batch() && now < self.wait_until(rules)
            }
            _ => self.n < self.step.tries(class),
        }
    }

    /// Opens try `n` of the step; the lane follows the time that is left.
    fn open_try(&mut self, now: DateTime<Utc>, rules: &ChainRules) {
        let left = self.deadline_at - now;
        if left < TimeDelta::seconds(rules.batch_min_deadline.into()) {
            self.lane = Lane::Online;
        }
        self.status = RenderStatus::Queued;
        self.owe_hand_on(now);
    }

    pub(crate) fn owe_hand_on(&mut self, now: DateTime<Utc>) {
        self.to_join = self.lane == Lane::Batch && self.step == Step::Gemini;
        if !self.to_join {
            self.open_attempts.insert(self.online_attempt());
        }
        self.owe(Owed::HandOn, now);
    }

    fn fail(&mut self, code: FailureCode, now: DateTime<Utc>) {
        self.end(RenderStatus::Failed { code, at: now });
    }

    /// Ends the render: its news is owed, and word to every attempt that still runs for it.
    fn end(&mut self, status: RenderStatus) {
        let now = status.ended_at().unwrap_or(self.give_up_at);
        self.status = status;
        self.to_join = false;
        self.owed.remove(&Owed::HandOn);
        self.owe(Owed::Announce, now);
        for attempt in self.open_attempts.clone() {
            self.owe(Owed::Cancel(attempt), now);
        }
    }

    fn owe(&mut self, owed: Owed, now: DateTime<Utc>) {
        self.owed.insert(owed);
        let soon = now + GRACE;
        // The end may not wait for a send.
        self.due_at = Some(if self.is_ended() { soon } else { soon.min(self.give_up_at) });
    }
}
