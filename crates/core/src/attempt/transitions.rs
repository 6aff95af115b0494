//! The steps of an attempt. Each takes the attempt as read and gives the write to make: the next
//! row, the version it must replace, and the money that moves in the same transaction.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Attempt, AttemptState, NeverBought, WaitReason};
use crate::{
    budget::{LedgerEntry, Movement},
    catalogue::Backend,
    ids::{JobName, RenderId},
    lane::Lane,
    money::Micros,
    outcome::RenderOutcome,
};

/// How long past its time an attempt may stand before somebody else looks after it.
const GRACE: TimeDelta = TimeDelta::seconds(60);
/// How often an unknown batch job is looked for: a listing may lag.
const LOOK_EVERY: TimeDelta = TimeDelta::hours(1);
/// Until when that makes sense: Google expires a job after 48 h.
const LOOK_FOR: TimeDelta = TimeDelta::hours(49);
/// The same for a prediction, whose input, by which it is found, is deleted after an hour.
const LOOK_EVERY_PREDICTION: TimeDelta = TimeDelta::minutes(2);
const LOOK_FOR_PREDICTION: TimeDelta = TimeDelta::hours(1);
/// How long an unknown outcome is kept open before it counts as spent.
const HELD_FOR: TimeDelta = TimeDelta::days(7);

/// One conditional write: `attempt` replaces the row at version `replaces` (none: there is no row
/// yet) together with the ledger entry, or nothing happens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a transition counts only once it is written"]
pub struct AttemptWrite {
    pub attempt: Attempt,
    pub replaces: Option<u64>,
    pub ledger: Option<LedgerEntry>,
}

/// A step that does not follow from the state the attempt is in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attempt {id} in state {from:?} cannot become {to}")]
pub struct InvalidTransition {
    id: crate::ids::AttemptId,
    from: AttemptState,
    to: &'static str,
}

type Step = Result<AttemptWrite, InvalidTransition>;

impl Attempt {
    /// Opens an attempt: the first write, with its reservation. `self` is a draft at version 0.
    pub fn open(
        self,
        daily_budget: Micros,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> AttemptWrite {
        self.reserve(None, daily_budget, now, lease_until)
    }

    /// Claims an attempt that waited, or whose claimant was lost before it sent anything.
    pub fn claim(
        self,
        daily_budget: Micros,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Step {
        let version = self.version;
        match self.state {
            AttemptState::Waiting { until, .. } if until <= now => {
                Ok(self.reserve(Some(version), daily_budget, now, lease_until))
            }
            AttemptState::Claimed { lease_until: old } if old <= now => {
                let state = AttemptState::Claimed { lease_until };
                Ok(self.write(state, Some(lease_until + GRACE), None))
            }
            _ => self.invalid("claimed"),
        }
    }

    /// The paying call is about to be made.
    pub fn sending(self, now: DateTime<Utc>) -> Step {
        let AttemptState::Claimed { lease_until } = self.state else {
            return self.invalid("sending");
        };
        let state = AttemptState::Sending { since: now, lease_until };
        Ok(self.write(state, Some(lease_until), None))
    }

    /// The same for a batch of which some renders could not be written down.
    pub fn sending_without(mut self, left_out: Vec<RenderId>, now: DateTime<Utc>) -> Step {
        self.left_out = left_out;
        self.sending(now)
    }

    /// A finished job is being read, until the reader's own time is over: not to be asked after.
    pub fn fetching(self, now: DateTime<Utc>, until: DateTime<Utc>) -> Step {
        let AttemptState::Submitted { ref job, since, seq, running, fetched } = self.state else {
            return self.invalid("fetched");
        };
        let (job, fetched) = (job.clone(), fetched.or(Some(now)));
        let state = AttemptState::Submitted { job, since, seq, running, fetched };
        Ok(self.write(state, Some(until + GRACE), None))
    }

    /// The provider took the job; also when it is found only now.
    pub fn submitted(self, job: JobName, now: DateTime<Utc>) -> Step {
        let movement = match self.state {
            AttemptState::Sending { .. } => None,
            AttemptState::Held { .. } => Some(Movement::Adopt { held: self.reserved() }),
            _ => return self.invalid("submitted"),
        };
        let due = now + TimeDelta::seconds(self.poll_delay(0).into()) + GRACE;
        let state =
            AttemptState::Submitted { job, since: now, seq: 0, running: false, fetched: None };
        Ok(self.write(state, Some(due), movement))
    }

    /// A poll was made and the next one is on its way.
    pub fn polled(self, running: bool, next_poll: DateTime<Utc>) -> Step {
        let AttemptState::Submitted { ref job, since, seq, running: ran, fetched } = self.state
        else {
            return self.invalid("polled");
        };
        let running = running || ran;
        let (job, seq) = (job.clone(), seq + 1);
        let state = AttemptState::Submitted { job, since, seq, running, fetched };
        Ok(self.write(state, Some(next_poll + GRACE), None))
    }

    /// Nothing was bought: the money goes back, and the attempt waits.
    pub fn waiting(self, until: DateTime<Utc>, why: WaitReason) -> Step {
        let movement = match self.state {
            AttemptState::Claimed { .. } | AttemptState::Sending { .. } => {
                Movement::Release { reserved: self.reserved() }
            }
            _ => return self.invalid("waiting"),
        };
        let mut next = self;
        next.waits += 1;
        next.busy += u32::from(why == WaitReason::Provider);
        Ok(next.write(AttemptState::Waiting { until, why }, Some(until + GRACE), Some(movement)))
    }

    /// A first claim found no headroom: the attempt starts out waiting, with nothing reserved.
    pub fn open_deferred(mut self, until: DateTime<Utc>) -> AttemptWrite {
        self.waits += 1;
        let state = AttemptState::Waiting { until, why: WaitReason::Deferred };
        self.first(state, Some(until + GRACE))
    }

    /// Still no headroom at a later claim: waits on.
    pub fn deferred(mut self, until: DateTime<Utc>) -> Step {
        let AttemptState::Waiting { .. } = self.state else {
            return self.invalid("waiting");
        };
        self.waits += 1;
        let state = AttemptState::Waiting { until, why: WaitReason::Deferred };
        Ok(self.write(state, Some(until + GRACE), None))
    }

    /// Every outcome is known: the bill takes the place of the reservation. From `claimed` where the
    /// provider refused us before anything was sent.
    pub fn settled(self, outcomes: Vec<RenderOutcome>, now: DateTime<Utc>) -> Step {
        let movement = match self.state {
            AttemptState::Claimed { .. }
            | AttemptState::Sending { .. }
            | AttemptState::Submitted { .. } => Movement::Settle {
                reserved: self.reserved(),
                actual: outcomes.iter().map(|outcome| outcome.cost).sum(),
            },
            _ => return self.invalid("settled"),
        };
        let state = AttemptState::Settled { at: now, outcomes };
        Ok(self.write(state, Some(now + GRACE), Some(movement)))
    }

    /// Nobody knows whether the call bought anything.
    pub fn held(self, now: DateTime<Utc>) -> Step {
        let AttemptState::Sending { .. } = self.state else {
            return self.invalid("held");
        };
        let movement = Movement::Hold { reserved: self.reserved() };
        let state = AttemptState::Held { since: now, job: None };
        Ok(self.write(state, Some(now + GRACE), Some(movement)))
    }

    /// The job did not end when its time was over, and perhaps never will.
    pub fn abandoned(self, now: DateTime<Utc>) -> Step {
        let AttemptState::Submitted { ref job, .. } = self.state else {
            return self.invalid("abandoned");
        };
        let movement = Movement::Hold { reserved: self.reserved() };
        let state = AttemptState::Held { since: now, job: Some(job.clone()) };
        Ok(self.write(state, Some(now + GRACE), Some(movement)))
    }

    /// The truth never came: the kept money counts as spent, which is told like any other bill.
    pub fn settle_held(self, now: DateTime<Utc>) -> Step {
        let AttemptState::Held { since, .. } = self.state else {
            return self.invalid("settled");
        };
        if now < since + HELD_FOR {
            return self.invalid("settled before seven days");
        }
        let movement = Movement::SettleHeld { held: self.reserved() };
        let mut outcomes = self.outcomes().unwrap_or_default();
        for (outcome, share) in outcomes.iter_mut().zip(&self.shares) {
            outcome.cost = share.maximum;
        }
        let state = AttemptState::Settled { at: now, outcomes };
        Ok(self.write(state, Some(now + GRACE), Some(movement)))
    }

    /// Ends without a purchase. `self` may be a draft at version 0.
    pub fn never_bought(self, why: NeverBought, now: DateTime<Utc>) -> Step {
        let movement = match self.state {
            AttemptState::Waiting { .. } => None,
            AttemptState::Claimed { .. } if self.version == 0 => None,
            AttemptState::Claimed { .. } | AttemptState::Sending { .. } => {
                Some(Movement::Release { reserved: self.reserved() })
            }
            _ => return self.invalid("never bought"),
        };
        let state = AttemptState::NeverBought { why, at: now };
        if self.version == 0 {
            return Ok(self.first(state, Some(now + GRACE)));
        }
        Ok(self.write(state, Some(now + GRACE), movement))
    }

    /// The event of the attempt's end is on the bus. A held attempt stays due for its settlement.
    pub fn announced(self) -> Step {
        let due = match self.state {
            AttemptState::Held { since, .. } => Some(self.look_next(since, since)),
            AttemptState::Settled { .. } | AttemptState::NeverBought { .. } => None,
            _ => return self.invalid("announced"),
        };
        let state = self.state.clone();
        let mut write = self.write(state, due, None);
        write.attempt.announced = true;
        Ok(write)
    }

    /// Looked for once more, and not found.
    pub fn still_held(self, now: DateTime<Utc>) -> Step {
        let AttemptState::Held { since, .. } = self.state else {
            return self.invalid("held");
        };
        let (announced, due) = (self.announced, self.look_next(since, now));
        let state = self.state.clone();
        let mut write = self.write(state, Some(due), None);
        write.attempt.announced = announced;
        Ok(write)
    }

    /// When a held attempt needs somebody again: a batch job or a prediction may still turn up, an
    /// online call cannot.
    fn look_next(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        let (every, most) = match (self.backend, self.lane) {
            (Backend::Replicate, _) => (LOOK_EVERY_PREDICTION, LOOK_FOR_PREDICTION),
            (_, Lane::Batch) => (LOOK_EVERY, LOOK_FOR),
            (_, Lane::Online) => return since + HELD_FOR,
        };
        let next = now + every;
        if next < since + most { next } else { since + HELD_FOR }
    }

    fn reserve(
        mut self,
        replaces: Option<u64>,
        daily_budget: Micros,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> AttemptWrite {
        self.date = now.date_naive();
        let movement = Movement::Reserve { amount: self.reserved(), daily_budget };
        let state = AttemptState::Claimed { lease_until };
        let mut write = self.write(state, Some(lease_until + GRACE), Some(movement));
        write.replaces = replaces;
        write
    }

    fn first(self, state: AttemptState, due_at: Option<DateTime<Utc>>) -> AttemptWrite {
        let mut write = self.write(state, due_at, None);
        write.replaces = None;
        write
    }

    fn write(
        mut self,
        state: AttemptState,
        due_at: Option<DateTime<Utc>>,
        movement: Option<Movement>,
    ) -> AttemptWrite {
        let replaces = Some(self.version);
        let ledger = movement.map(|movement| LedgerEntry {
            account: self.account,
            date: self.date,
            movement,
            rescue: self.rescue,
        });
        self.version += 1;
        self.state = state;
        self.announced = false;
        self.due_at = due_at;
        AttemptWrite { attempt: self, replaces, ledger }
    }

    fn invalid<T>(self, to: &'static str) -> Result<T, InvalidTransition> {
        Err(InvalidTransition { id: self.id, from: self.state, to })
    }
}
