//! One paid try at a provider, as a state machine whose every step says which money moves with it.
//!
//! ```text
//! claimed -> sending -> submitted -> settled
//!    |          |  \________________-> settled   (Online; a create refused for good)
//!    |          |-> held -> submitted | settled  (nobody knows whether it was bought)
//!    |<-waiting<-|                               (nothing was bought: 429, 503, no headroom)
//!    `-> never bought (unfunded, expired)
//! ```

mod transitions;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

pub use self::transitions::{AttemptWrite, InvalidTransition};
use crate::{
    budget::Account,
    catalogue::Backend,
    chain::Step,
    ids::{AttemptId, BatchId, EntryId, JobName, RenderId},
    lane::Lane,
    money::Micros,
    outcome::{FailClass, Outcome, RenderOutcome},
    polling::{batch_poll_delay, prediction_poll_delay},
};

/// An attempt as stored; changed only by its transitions, one version at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub id: AttemptId,
    /// 1 when first written, one more with each write.
    pub version: u64,
    pub batch_id: BatchId,
    pub step: Step,
    pub lane: Lane,
    pub backend: Backend,
    /// The provider's model id.
    pub model: String,
    /// What each render adds to the attempt.
    pub shares: Vec<Share>,
    pub account: Account,
    /// The UTC date of the reservation; every later movement lands on the same row.
    pub date: NaiveDate,
    /// Renders whose request could not be sent, for a picture that is gone: not part of the purchase.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<RenderId>,
    /// Until when a prediction may run; none for Google, whose jobs end by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_until: Option<DateTime<Utc>>,
    /// What rescues may cost on a day, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescue: Option<Micros>,
    /// How often it was put off because nothing had been bought.
    pub waits: u32,
    /// How often that was because the provider had nothing to give: 429, 503.
    #[serde(default)]
    pub busy: u32,
    pub state: AttemptState,
    /// Whether the event of its end is on the bus for certain.
    pub announced: bool,
    /// When somebody should look after it, if nobody has by then; none once nothing is owed.
    pub due_at: Option<DateTime<Utc>>,
}

/// One render's part of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub render_id: RenderId,
    pub entry: EntryId,
    /// The most this render can cost, which is what was reserved for it.
    pub maximum: Micros,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AttemptState {
    /// Money is reserved, nothing is sent. After the lease anyone may claim it anew.
    Claimed { lease_until: DateTime<Utc> },
    /// Nothing was bought and no money is reserved; to be claimed again at `until`.
    Waiting { until: DateTime<Utc>, why: WaitReason },
    /// The paying call may be under way. Found after its lease, its outcome is unknown.
    Sending { since: DateTime<Utc>, lease_until: DateTime<Utc> },
    /// The provider runs a job for us. `seq` is the poll that comes next.
    Submitted {
        job: JobName,
        since: DateTime<Utc>,
        seq: u32,
        running: bool,
        /// When its results were first asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fetched: Option<DateTime<Utc>>,
    },
    /// Outcome unknown; the money stays kept.
    Held {
        since: DateTime<Utc>,
        /// Known where the provider took the job, and did not end it in time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobName>,
    },
    /// Every outcome is known and the bill is in the ledger.
    Settled { at: DateTime<Utc>, outcomes: Vec<RenderOutcome> },
    /// Ended without a purchase.
    NeverBought { why: NeverBought, at: DateTime<Utc> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The budget has no room until running attempts settle.
    Deferred,
    /// The provider asked for patience, or was down before anything was created.
    Provider,
    /// Nobody was asked: the backend's health breaker is open.
    Barred,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeverBought {
    /// The day's money is spent.
    Unfunded,
    /// There was no room until the first of its renders ran out of time.
    Deferred,
    /// The provider had none until then.
    Expired,
    /// The backend's health breaker was open.
    Diverted,
    /// The catalogue dropped the entry of one of its renders.
    Dropped,
}

impl Attempt {
    pub fn reserved(&self) -> Micros {
        self.shares.iter().map(|share| share.maximum).sum()
    }

    /// Seconds before poll `seq` of its job.
    pub const fn poll_delay(&self, seq: u32) -> u32 {
        match self.backend {
            Backend::Replicate => prediction_poll_delay(seq),
            Backend::GeminiOnline | Backend::GeminiBatch | Backend::VertexPredict => {
                batch_poll_delay(seq)
            }
        }
    }

    /// When it ended, or was given up as unknown.
    pub const fn ended_at(&self) -> Option<DateTime<Utc>> {
        match self.state {
            AttemptState::Settled { at, .. }
            | AttemptState::NeverBought { at, .. }
            | AttemptState::Held { since: at, .. } => Some(at),
            AttemptState::Claimed { .. }
            | AttemptState::Waiting { .. }
            | AttemptState::Sending { .. }
            | AttemptState::Submitted { .. } => None,
        }
    }

    /// What to tell of each render, once the attempt has an end (or none is to be expected).
    pub fn outcomes(&self) -> Option<Vec<RenderOutcome>> {
        let all = |class| {
            let outcome = Outcome::Failed { class };
            let of = |share: &Share| RenderOutcome {
                render_id: share.render_id.clone(),
                outcome: outcome.clone(),
                cost: Micros::ZERO,
            };
            Some(self.shares.iter().map(of).collect())
        };
        match &self.state {
            AttemptState::Settled { outcomes, .. } => Some(outcomes.clone()),
            AttemptState::Held { .. } => all(FailClass::Unknown),
            AttemptState::NeverBought { why: NeverBought::Unfunded, .. } => {
                all(FailClass::Unfunded)
            }
            AttemptState::NeverBought { why: NeverBought::Deferred, .. } => {
                all(FailClass::Deferred)
            }
            AttemptState::NeverBought { why: NeverBought::Expired, .. } => all(FailClass::Expired),
            AttemptState::NeverBought { why: NeverBought::Dropped, .. } => all(FailClass::Retired),
            AttemptState::NeverBought { why: NeverBought::Diverted, .. } => {
                all(FailClass::Diverted)
            }
            AttemptState::Claimed { .. }
            | AttemptState::Waiting { .. }
            | AttemptState::Sending { .. }
            | AttemptState::Submitted { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
