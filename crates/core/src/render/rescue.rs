//! Rescue: a Batch render whose job is not done shortly before its deadline is granted one online
//! attempt beside it.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Applied, ChainRules, Render};
use crate::{chain::Step, ids::AttemptId, lane::Lane, outcome::FailClass};

/// Where a render stands with its rescue; it has one at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rescue", rename_all = "snake_case")]
pub enum Rescue {
    /// Granted from then on, unless it has ended.
    Due { at: DateTime<Utc> },
    /// One online attempt was granted beside the batch.
    Granted { attempt: AttemptId },
    /// The same, and one of the two came to an unknown end: what is bought next, if anything, is by
    /// the grant that there is for that.
    Unsure { attempt: AttemptId },
    /// The same, and that grant was used before: nothing more is bought.
    Last { attempt: AttemptId },
}

impl Rescue {
    const fn is_plain(&self) -> bool {
        matches!(self, Self::Granted { .. })
    }

    /// The attempt that was granted.
    pub const fn attempt(&self) -> Option<&AttemptId> {
        match self {
            Self::Due { .. } => None,
            Self::Granted { attempt } | Self::Unsure { attempt } | Self::Last { attempt } => {
                Some(attempt)
            }
        }
    }
}

impl Render {
    /// When the try that begins now would be rescued: if it rides in a batch, which then has the time
    /// until shortly before the deadline. Who asked for a batch with less time than that has none.
    pub(super) fn plan_rescue(&mut self, now: DateTime<Utc>, rules: &ChainRules) {
        if matches!(self.rescue, None | Some(Rescue::Due { .. })) {
            let at = self.deadline_at - TimeDelta::seconds(rules.rescue_lead.into());
            self.rescue = (self.to_join && at > now).then_some(Rescue::Due { at });
        }
    }

    /// When a batch that is not done leaves its render to be rescued.
    pub fn rescue_at(&self) -> Option<DateTime<Utc>> {
        let rides = self.lane == Lane::Batch && self.step == Step::Gemini && !self.to_join;
        match self.rescue {
            Some(Rescue::Due { at }) if rides && !self.is_ended() => Some(at),
            _ => None,
        }
    }

    /// Grants the rescue that is due: the online attempt is open and its order owed. `possible` says
    /// whether its model can be called online at all.
    pub fn rescued(&mut self, now: DateTime<Utc>, possible: bool) -> Applied {
        if self.rescue_at().is_none_or(|at| now < at) {
            return Applied::Ignored;
        }
        self.rescue = None;
        if possible && !self.open_attempts.is_empty() && now < self.give_up_at {
            let attempt = self.own_attempt();
            self.rescue = Some(Rescue::Granted { attempt: attempt.clone() });
            self.open_attempts.insert(attempt);
            self.owe(self.hand_on(), now);
        } else {
            self.settle_due();
        }
        Applied::Changed
    }

    /// An attempt came to an unknown end while another is open.
    pub(super) fn unknown_beside(&mut self, unknown: &AttemptId) {
        if let Some(Rescue::Granted { attempt }) = self.rescue.take_if(|rescue| rescue.is_plain()) {
            self.rescue = Some(if self.granted.is_none() {
                self.granted = Some(unknown.clone());
                Rescue::Unsure { attempt }
            } else {
                Rescue::Last { attempt }
            });
        }
    }

    /// Whether something more may be bought, now that nothing is open; takes the grant where one is
    /// needed.
    pub(super) fn may_buy_on(&mut self, attempt: &AttemptId, class: FailClass) -> bool {
        match &self.rescue {
            Some(Rescue::Last { .. }) => false,
            Some(Rescue::Unsure { attempt }) => {
                self.rescue = Some(Rescue::Granted { attempt: attempt.clone() });
                true
            }
            _ if class != FailClass::Unknown => true,
            _ if self.granted.is_some() => false,
            _ => {
                self.granted = Some(attempt.clone());
                true
            }
        }
    }
}
