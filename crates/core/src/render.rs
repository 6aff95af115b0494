//! A render from acceptance to its one end.
//!
//! The row remembers the attempts that are open for it and the sends it owes, so that any stage may
//! run twice, late or at once: whatever arrives is applied to the row as read, and counts only if
//! the conditional write does.

mod course;
mod grounds;
mod progress;
mod rescue;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use self::progress::{SILENCE, STALL};
pub use self::{
    course::{Course, own_step},
    grounds::Grounds,
    progress::{Applied, ChainRules},
    rescue::Rescue,
};
use crate::{
    catalogue::Size,
    chain::{Fidelity, Step},
    ids::{AttemptId, EntryId, RenderId, UserId},
    lane::Lane,
    messages::RenderOrder,
    money::Micros,
    picture::PictureRef,
    request::RenderRequest,
    routing::{Bucket, Route},
};

/// A render as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Render {
    pub id: RenderId,
    /// 1 when inserted, one more with each update.
    pub version: u64,
    pub user_id: UserId,
    pub idempotency_key: String,
    /// SHA-256 of the request as sent: the same key with another body is refused.
    pub fingerprint: String,
    pub request: RenderRequest,
    pub bucket: Bucket,
    /// What the hash said; gates compare by it.
    pub assigned: Route,
    /// What happened; health or budget may divert.
    pub served: Route,
    pub lane: Lane,
    pub entry: EntryId,
    pub accepted_at: DateTime<Utc>,
    pub deadline_at: DateTime<Utc>,
    /// The render ends by then, whatever happens.
    pub give_up_at: DateTime<Utc>,
    pub status: RenderStatus,
    pub step: Step,
    /// The try of `step` under way, from 1.
    pub n: u32,
    /// Until when the step may run; then the next one has its turn.
    pub run_until: DateTime<Utc>,
    /// Whether try `n` still has to join a batch (Batch lane only).
    pub to_join: bool,
    pub open_attempts: BTreeSet<AttemptId>,
    /// Whether Google was asked and failed: Nano Banana, which shares its capacity, is skipped then.
    #[serde(default)]
    pub google_failed: bool,
    /// For the gates; none for rows from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<Course>,
    /// A picture smaller than what was asked for, while it is being enlarged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interim: Option<Interim>,
    /// The attempt of unknown outcome after which one more purchase was granted; one at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<AttemptId>,
    /// Whether it is to be rescued from its batch, or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescue: Option<Rescue>,
    /// What the router went by; none for rows from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grounds: Option<Grounds>,
    /// What each attempt cost, once known.
    pub costs: BTreeMap<AttemptId, Micros>,
    pub owed: BTreeSet<Owed>,
    /// When somebody should look after it, if nobody has by then.
    pub due_at: Option<DateTime<Utc>>,
}

/// A picture that is good enough to be delivered, should nothing better come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interim {
    pub picture: PictureRef,
    pub fidelity: Fidelity,
    pub size: Size,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum RenderStatus {
    Accepted,
    Queued,
    Generating,
    Succeeded { picture: PictureRef, fidelity: Fidelity, size: Size, at: DateTime<Utc> },
    Failed { code: FailureCode, at: DateTime<Utc> },
}

impl RenderStatus {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Queued => "queued",
            Self::Generating => "generating",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
        }
    }

    pub const fn ended_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Succeeded { at, .. } | Self::Failed { at, .. } => Some(*at),
            Self::Accepted | Self::Queued | Self::Generating => None,
        }
    }
}

/// Why a render failed, in our words: no provider's text reaches a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The pictures or the wish were refused for their content.
    ContentRefused,
    /// Every step of the chain failed.
    ProviderUnavailable,
    /// The day's money is spent.
    BudgetExhausted,
    /// No picture came before the give-up time.
    TimedOut,
}

impl FailureCode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContentRefused => "content_refused",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::BudgetExhausted => "budget_exhausted",
            Self::TimedOut => "timed_out",
        }
    }
}

/// A send that a row owes: done, then struck off, by whoever sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owed {
    /// The order of this try to the queue of its step. Named, so that a quick failure of one try does
    /// not have the next one's order taken for sent.
    HandOn { step: Step, n: u32 },
    /// `render.completed` or `render.failed`.
    Announce,
    /// Word to an attempt that this render no longer waits for it.
    Cancel(AttemptId),
    /// A question after an attempt whose end was never heard of.
    Ask(AttemptId),
}

impl Render {
    pub fn is_ended(&self) -> bool {
        self.status.ended_at().is_some()
    }

    pub fn cost(&self) -> Micros {
        self.costs.values().copied().sum()
    }

    /// The order of the try under way.
    pub(crate) const fn hand_on(&self) -> Owed {
        Owed::HandOn { step: self.step, n: self.n }
    }

    /// The attempt of a try for this render alone; a Batch try is its batch's attempt.
    pub fn own_attempt(&self) -> AttemptId {
        AttemptId::of(&self.id.as_batch(), self.step, self.n)
    }

    /// What the next room needs to know of this render.
    pub fn order(&self, rules: &ChainRules) -> RenderOrder {
        RenderOrder {
            render_id: self.id.clone(),
            step: self.step,
            n: self.n,
            entry: self.entry.clone(),
            request: self.request.clone(),
            interim: self.interim.as_ref().map(|interim| interim.picture.clone()),
            wait_until: self.wait_until(rules),
            run_until: self.run_until,
            buy_before: self.give_up_at,
            rescue: self.rescue.as_ref().and_then(Rescue::attempt) == Some(&self.own_attempt()),
            diverts: self.diverts(rules),
        }
    }

    /// The owed sends of a written row are done.
    #[must_use]
    pub fn struck(mut self, done: &BTreeSet<Owed>, now: DateTime<Utc>) -> Self {
        self.owed.retain(|owed| !done.contains(owed));
        let handed_on = done.contains(&self.hand_on());
        if self.status == RenderStatus::Accepted && handed_on {
            self.status = RenderStatus::Queued;
        }
        self.settle_due();
        if self.is_ended() && self.owed.is_empty() && !self.open_attempts.is_empty() {
            self.due_at = Some(now + SILENCE);
        }
        if handed_on && !self.is_ended() {
            self.due_at = Some(self.give_up_at.min(now + STALL));
        }
        self
    }

    /// Whether it still waits to join a batch for this very try.
    pub fn awaits(&self, order: &RenderOrder) -> bool {
        self.to_join && self.step == order.step && self.n == order.n && !self.is_ended()
    }

    /// Joined a batch, whose attempt is now open for it.
    #[must_use]
    pub fn joined(mut self, attempt: AttemptId) -> Self {
        self.to_join = false;
        if let Some(course) = &mut self.course {
            course.batch.get_or_insert_with(|| attempt.owner());
        }
        self.open_attempts.insert(attempt);
        self.owed.remove(&self.hand_on());
        if self.status == RenderStatus::Accepted {
            self.status = RenderStatus::Queued;
        }
        self.settle_due();
        self
    }
}

#[cfg(test)]
mod tests;
