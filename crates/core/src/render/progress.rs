//! What an outcome, or the passing of time, makes of a render.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{FailureCode, Interim, Owed, Render, RenderStatus, own_step};
use crate::{
    catalogue::Catalogue,
    chain::{Step, next_step, steps_after},
    ids::{AttemptId, EntryId},
    lane::Lane,
    outcome::{FailClass, Outcome, RenderOutcome},
    routing::Route,
    settings::WhenBudgetExhausted,
};

/// How long a send may be owed before somebody else makes it.
const GRACE: TimeDelta = TimeDelta::seconds(60);
/// How long a try that was handed on may go without being heard of.
pub(super) const STALL: TimeDelta = TimeDelta::seconds(300);
/// How long the news of an attempt may be missing after the render's end before it is asked for.
pub(super) const SILENCE: TimeDelta = TimeDelta::hours(1);
/// Every attempt has its bill within seven days; one that is silent for longer never existed.
const FORGET_AFTER: TimeDelta = TimeDelta::days(8);

/// What rules a render's way along its chain.
#[derive(Clone, Debug)]
pub struct ChainRules {
    /// What this deployment can run.
    pub available: &'static [Step],
    /// With less time than this to its deadline a retry goes Online, in seconds.
    pub batch_min_deadline: u32,
    /// How long before its deadline a Batch render is rescued, in seconds.
    pub rescue_lead: u32,
    /// The knob `when-budget-exhausted` as it stands.
    pub when_budget_exhausted: WhenBudgetExhausted,
    /// Says which model takes the place of one that is gone.
    pub catalogue: Arc<Catalogue>,
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
    /// attempt brought it; one that is smaller than promised is enlarged first. A failure counts only
    /// for an attempt that is open.
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
            Outcome::Image { picture, fidelity, size } => {
                let made = Interim { picture: picture.clone(), fidelity: *fidelity, size: *size };
                let kept = self.keep(attempt, made, now, rules);
                return if was_open || billed || kept {
                    Applied::Changed
                } else {
                    Applied::Ignored
                };
            }
            _ if !was_open => {
                return if billed { Applied::Changed } else { Applied::Ignored };
            }
            Outcome::Refused if self.interim.is_none() => {
                self.fail(FailureCode::ContentRefused, now);
            }
            // While a picture is enlarged, only that decides.
            _ if self.interim.is_some() && attempt.step() != Some(Step::Upscale) => {}
            Outcome::Refused => self.settle_for_less(FailureCode::ContentRefused, now),
            Outcome::Failed { class }
                if self.interim.is_some() || self.open_attempts.is_empty() =>
            {
                self.go_on(attempt, *class, now, rules);
            }
            Outcome::Failed { class } => {
                // Remembered for whichever try decides later.
                let gone = *class == FailClass::Retired;
                self.google_failed |= self.step == Step::Gemini && was_asked(*class) && !gone;
                if *class == FailClass::Unknown {
                    self.unknown_beside(attempt);
                }
                self.settle_due();
            }
        }
        Applied::Changed
    }

    /// The give-up time has come: the render ends as it stands.
    pub fn overdue(&mut self, now: DateTime<Utc>) -> Applied {
        if self.is_ended() || now < self.give_up_at {
            return Applied::Ignored;
        }
        self.settle_for_less(FailureCode::TimedOut, now);
        Applied::Changed
    }

    /// A picture came: the render's end where it is as large as promised, else something to enlarge.
    /// Whether that changed anything.
    fn keep(
        &mut self,
        attempt: &AttemptId,
        made: Interim,
        now: DateTime<Utc>,
        rules: &ChainRules,
    ) -> bool {
        let enlarged = attempt.step() == Some(Step::Upscale);
        let small = !enlarged && made.size < self.request.quality.size();
        if small && self.interim.is_some() {
            // One is being enlarged already.
            return false;
        }
        if let Some(course) = self.course.as_mut().filter(|_| !enlarged) {
            course.drawn_by = attempt.step();
        }
        if small && rules.available.contains(&Step::Upscale) {
            self.interim = Some(made);
            self.go_to(self.served, Step::Upscale);
            for other in self.open_attempts.clone() {
                self.owe(Owed::Cancel(other), now);
            }
            self.open_try(now, rules);
            return true;
        }
        // What was enlarged is as true to the garment as it was before.
        let source = self.interim.as_ref().filter(|_| enlarged);
        let fidelity = source.map_or(made.fidelity, |source| source.fidelity);
        let Interim { picture, size, .. } = made;
        self.end(RenderStatus::Succeeded { picture, fidelity, size, at: now });
        true
    }

    /// No better picture comes: the one that is there, or none.
    fn settle_for_less(&mut self, code: FailureCode, now: DateTime<Utc>) {
        match self.interim.clone() {
            Some(Interim { picture, fidelity, size }) => {
                self.end(RenderStatus::Succeeded { picture, fidelity, size, at: now });
            }
            None => self.fail(code, now),
        }
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
        } else if self.to_join || self.open_attempts.contains(&self.own_attempt()) {
            self.owe(self.hand_on(), now);
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

    /// Until when an attempt may wait for what it cannot buy yet: at Google to the deadline while
    /// another step could still deliver, elsewhere as long as the step has its turn.
    pub(super) fn wait_until(&self, rules: &ChainRules) -> DateTime<Utc> {
        match self.next_step(rules) {
            Some(_) if self.step == Step::Gemini => self.deadline_at.min(self.give_up_at),
            None if self.step == Step::Gemini => self.give_up_at,
            _ => self.run_until,
        }
    }

    /// When somebody should look after the row: soon for what it owes, at give-up for its end.
    pub(super) fn settle_due(&mut self) {
        self.due_at = match (self.owed.is_empty(), self.is_ended()) {
            (true, true) if self.open_attempts.is_empty() => None,
            (true, true) => self.due_at,
            (true, false) => Some(self.rescue_at().unwrap_or(self.give_up_at).min(self.give_up_at)),
            (false, _) => self.due_at.or(Some(self.give_up_at)),
        };
    }

    fn next_step(&self, rules: &ChainRules) -> Option<Step> {
        next_step(self.served, self.step, self.request.accept_described, rules.available)
    }

    /// Whether an open breaker sends the try elsewhere: a shopper's picture that can be made there. A
    /// batch has the time to wait, and so has its rescue, which has nothing better to do.
    pub(super) fn diverts(&self, rules: &ChainRules) -> bool {
        self.lane == Lane::Online
            && self.step == Step::Gemini
            && self.step_after(FailClass::Diverted, rules).is_some()
    }

    /// Where the render goes once its step is through: along its chain, or where the shop wants its
    /// renders to go on a day whose money is spent.
    fn step_after(&self, class: FailClass, rules: &ChainRules) -> Option<(Route, Step)> {
        let along = self.next_step(rules).map(|step| (self.served, step));
        if self.step != Step::Gemini || was_asked(class) {
            return along;
        }
        // A breaker sends those that are on their way where the router sends those that arrive.
        let when = match class {
            FailClass::Diverted => WhenBudgetExhausted::Legacy,
            _ => rules.when_budget_exhausted,
        };
        match when {
            WhenBudgetExhausted::Reject => None,
            WhenBudgetExhausted::Legacy
                if !self.google_failed && rules.available.contains(&Step::NanoBanana) =>
            {
                Some((Route::Legacy, Step::NanoBanana))
            }
            WhenBudgetExhausted::Legacy | WhenBudgetExhausted::Fallback => along,
        }
    }

    fn go_on(
        &mut self,
        attempt: &AttemptId,
        class: FailClass,
        now: DateTime<Utc>,
        rules: &ChainRules,
    ) {
        if now >= self.give_up_at {
            return self.settle_for_less(FailureCode::TimedOut, now);
        }
        let unfunded = matches!(class, FailClass::Unfunded | FailClass::Deferred);
        let instead = self.instead(class, now, rules);
        self.google_failed |= self.step == Step::Gemini && was_asked(class) && instead.is_none();
        let own = self.step == own_step(self.assigned);
        let unasked = own && !was_asked(class) && !self.google_failed;
        if let Some(course) = self.course.as_mut().filter(|_| unasked) {
            course.unasked = true;
        }
        let code =
            if unfunded { FailureCode::BudgetExhausted } else { FailureCode::ProviderUnavailable };
        let granted = self.granted.clone();
        if !self.may_buy_on(attempt, class) {
            return self.settle_for_less(code, now);
        }
        if let Some(entry) = instead {
            self.entry = entry;
            self.n = self.n.saturating_add(1);
        } else if self.may_repeat(attempt, class, now, rules) {
            self.n = self.n.saturating_add(1);
        } else if let Some((route, step)) = self.step_after(class, rules) {
            self.go_to(route, step);
        } else {
            // Nothing was bought by it.
            self.granted = granted;
            return self.settle_for_less(code, now);
        }
        self.open_try(now, rules);
    }

    /// The entry that takes over from one whose model is gone, or thought too long; bought as a try of
    /// its own, at its own price.
    fn instead(&self, class: FailClass, now: DateTime<Utc>, rules: &ChainRules) -> Option<EntryId> {
        let again = class == FailClass::Retired || self.n < self.step.tries(class);
        if self.step != Step::Gemini || !again {
            return None;
        }
        let pictures = self.request.pictures().count();
        let (catalogue, day) = (&rules.catalogue, now.date_naive());
        if catalogue.get(&self.entry).is_none() {
            let gone = class == FailClass::Retired;
            let serving =
                catalogue.instead_of_dropped(self.request.quality, pictures, self.lane, day);
            return serving.filter(|_| gone).cloned();
        }
        catalogue.instead(&self.entry, class, pictures, self.lane, day).cloned()
    }

    fn go_to(&mut self, route: Route, step: Step) {
        self.served = route;
        self.step = step;
        self.n = 1;
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
            FailClass::Expired | FailClass::Deferred | FailClass::Diverted => {
                attempt.owner() != self.id.as_batch() && now < self.wait_until(rules)
            }
            _ => self.n < self.step.tries(class),
        }
    }

    /// Opens try `n` of the step; the lane follows the time that is left.
    fn open_try(&mut self, now: DateTime<Utc>, rules: &ChainRules) {
        let left = self.deadline_at - now;
        // Only Google has lanes.
        let hurry = left < TimeDelta::seconds(rules.batch_min_deadline.into());
        let entry = rules.catalogue.get(&self.entry);
        let laneless = entry.is_some_and(|entry| entry.backend(self.lane).is_none());
        if self.step == Step::Gemini && (hurry || laneless) {
            self.lane = Lane::Online;
        }
        self.status = RenderStatus::Queued;
        self.owe_hand_on(now, rules);
    }

    pub(crate) fn owe_hand_on(&mut self, now: DateTime<Utc>, rules: &ChainRules) {
        if self.n == 1 {
            self.run_until = self.turn_ends(now, rules);
        }
        self.to_join = self.lane == Lane::Batch && self.step == Step::Gemini;
        self.plan_rescue(now, rules);
        if !self.to_join {
            self.open_attempts.insert(self.own_attempt());
        }
        self.owed.retain(|owed| !matches!(owed, Owed::HandOn { .. }));
        self.owe(self.hand_on(), now);
    }

    /// When the step's turn ends: the steps that are left share the time from the deadline (or now,
    /// if that is later) to the give-up time equally.
    fn turn_ends(&self, now: DateTime<Utc>, rules: &ChainRules) -> DateTime<Utc> {
        let after =
            steps_after(self.served, self.step, self.request.accept_described, rules.available);
        let turns = i32::try_from(after.count()).map_or(i32::MAX, |after| after + 1);
        let from = self.deadline_at.max(now).min(self.give_up_at);
        from + (self.give_up_at - from) / turns
    }

    fn fail(&mut self, code: FailureCode, now: DateTime<Utc>) {
        self.end(RenderStatus::Failed { code, at: now });
    }

    /// Ends the render: its news is owed, and word to every attempt that still runs for it.
    fn end(&mut self, status: RenderStatus) {
        let now = status.ended_at().unwrap_or(self.give_up_at);
        self.status = status;
        self.to_join = false;
        self.owed.retain(|owed| !matches!(owed, Owed::HandOn { .. }));
        self.owe(Owed::Announce, now);
        for attempt in self.open_attempts.clone() {
            self.owe(Owed::Cancel(attempt), now);
        }
    }

    pub(super) fn owe(&mut self, owed: Owed, now: DateTime<Utc>) {
        self.owed.insert(owed);
        let soon = now + GRACE;
        // The end may not wait for a send.
        self.due_at = Some(if self.is_ended() { soon } else { soon.min(self.give_up_at) });
    }
}

/// Whether the provider was asked at all.
const fn was_asked(class: FailClass) -> bool {
    !matches!(class, FailClass::Unfunded | FailClass::Deferred | FailClass::Diverted)
}
