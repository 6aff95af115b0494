//! The health breaker of a backend: it opens when too much fails, lets one try through after a while,
//! and closes by itself when that one goes well.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Minute, Tally, Vitals};
use crate::{catalogue::Backend, ids::RenderId};

/// Whether calls to a backend are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "breaker", rename_all = "snake_case")]
pub enum Breaker {
    /// What failed up to the minute of `since` is forgiven.
    Closed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<DateTime<Utc>>,
    },
    /// Until `until` nothing is let through, then one try at a time (half-open).
    Open {
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        /// How often it opened without having closed in between.
        times: u32,
    },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { since: None }
    }
}

/// The one render that tries whether the backend is back, and until when it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub render_id: RenderId,
    pub until: DateTime<Utc>,
}

/// What rules a breaker.
#[derive(Clone, Copy, Debug)]
pub struct BreakerRules {
    /// How many minutes are looked at, the current one included.
    pub window_minutes: u64,
    /// With fewer calls in them nothing is concluded.
    pub least_calls: u64,
    /// The share of failures that opens it.
    pub percent: u64,
    /// Failures do not open it, however many: only an account that is refused does, and only a call
    /// that went well closes it. After any other the next one tries.
    pub account_only: bool,
    /// How long it is open at first; each failed try doubles it.
    pub first: TimeDelta,
    pub longest: TimeDelta,
    /// How long one render alone may try. Longer than the longest call with the wait before it, so that
    /// two never try at once.
    pub lease: TimeDelta,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            window_minutes: 5,
            least_calls: 5,
            percent: 50,
            account_only: false,
            first: TimeDelta::seconds(60),
            longest: TimeDelta::minutes(15),
            lease: TimeDelta::seconds(260),
        }
    }
}

impl BreakerRules {
    /// One account pays for every model on Replicate, each of which fails for reasons of its own; so
    /// there the breaker is the account's. Asking an account that is refused costs nothing, and its
    /// renders wait: it is asked often. A try lasts as long as the longest prediction, and the last
    /// look at it.
    pub fn of(backend: Backend) -> Self {
        match backend {
            Backend::GeminiOnline | Backend::GeminiBatch | Backend::VertexPredict => {
                Self::default()
            }
            Backend::Replicate => Self {
                account_only: true,
                longest: TimeDelta::minutes(2),
                lease: TimeDelta::seconds(340),
                ..Self::default()
            },
        }
    }
}

/// How a breaker stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Closed,
    Open {
        until: DateTime<Utc>,
    },
    /// Somebody may try, and nobody does.
    HalfOpen,
    /// Somebody tries.
    Probing {
        until: DateTime<Utc>,
    },
}

impl Gate {
    /// Whether calls are kept away. Half-open it lets the next one through, and knows no better until
    /// that has come.
    pub const fn is_shut(self) -> bool {
        matches!(self, Self::Open { .. } | Self::Probing { .. })
    }

    /// In the words of electricians.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen | Self::Probing { .. } => "half_open",
        }
    }
}

/// Whether a call may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Go,
    /// Whoever gets the lease.
    Probe,
    Barred {
        until: DateTime<Utc>,
    },
}

/// What a call's end says of the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It works: it answered, be it with a refusal.
    Good,
    /// It asked for patience; what was wanted will be tried again.
    Busy,
    /// It no longer has the model that was asked for. Whether it works, the model's successor will tell.
    Gone,
    /// It broke, was not heard of, or stayed busy to the end.
    Failed,
    /// It does not serve us (credentials, billing, policy): no call will do better until somebody
    /// has acted.
    Account,
}

impl Sign {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Gone => "gone",
            Self::Failed => "failed",
            Self::Account => "account",
        }
    }
}

impl Vitals {
    pub fn gate(&self, now: DateTime<Utc>) -> Gate {
        match (&self.breaker, &self.probe) {
            (Breaker::Closed { .. }, _) => Gate::Closed,
            (Breaker::Open { until, .. }, _) if now < *until => Gate::Open { until: *until },
            (Breaker::Open { .. }, Some(probe)) if now < probe.until => {
                Gate::Probing { until: probe.until }
            }
            (Breaker::Open { .. }, _) => Gate::HalfOpen,
        }
    }

    /// Whether a call for these renders may go out.
    pub fn admission<'a>(
        &self,
        mut renders: impl Iterator<Item = &'a RenderId>,
        now: DateTime<Utc>,
    ) -> Admission {
        match self.gate(now) {
            Gate::Closed => Admission::Go,
            Gate::HalfOpen => Admission::Probe,
            Gate::Open { until } => Admission::Barred { until },
            Gate::Probing { until } => {
                if renders.any(|render| self.is_probe(render)) {
                    Admission::Go
                } else {
                    Admission::Barred { until }
                }
            }
        }
    }

    fn is_probe(&self, render: &RenderId) -> bool {
        self.probe.as_ref().is_some_and(|probe| probe.render_id == *render)
    }

    /// This render tries, if nobody else does.
    pub fn leased(
        &self,
        render: &RenderId,
        now: DateTime<Utc>,
        rules: &BreakerRules,
    ) -> Option<Self> {
        let probe = Probe { render_id: render.clone(), until: now + rules.lease };
        (self.gate(now) == Gate::HalfOpen).then(|| Self { probe: Some(probe), ..self.clone() })
    }

    /// This render does not try after all.
    pub fn given_back(&self, render: &RenderId) -> Option<Self> {
        self.is_probe(render).then(|| Self { probe: None, ..self.clone() })
    }

    /// The calls by which it is judged.
    pub fn judged_by(&self, now: DateTime<Utc>, rules: &BreakerRules) -> Tally {
        let forgiven = match self.breaker {
            Breaker::Closed { since } => since.map(Minute::number_of),
            Breaker::Open { .. } => None,
        };
        self.sum(|minute| {
            minute.is_among(rules.window_minutes, now)
                && forgiven.is_none_or(|last| minute.number > last)
        })
    }

    /// What the end of a call for these renders makes of the breaker; none where it stays as it is.
    /// The call is counted already.
    pub fn after<'a>(
        &self,
        mut renders: impl Iterator<Item = &'a RenderId>,
        sign: Sign,
        now: DateTime<Utc>,
        rules: &BreakerRules,
    ) -> Option<Self> {
        let changed = |breaker| Some(Self { breaker, probe: None, ..self.clone() });
        match self.breaker {
            Breaker::Closed { .. } => match sign {
                Sign::Account => changed(opened(1, now, rules)),
                Sign::Failed
                    if !rules.account_only && too_much(self.judged_by(now, rules), rules) =>
                {
                    changed(opened(1, now, rules))
                }
                Sign::Good | Sign::Busy | Sign::Gone | Sign::Failed => None,
            },
            // Calls from before it opened say nothing new.
            Breaker::Open { .. } if !renders.any(|render| self.is_probe(render)) => None,
            Breaker::Open { times, .. } => match sign {
                Sign::Good => changed(Breaker::Closed { since: Some(now) }),
                // The lease stands: it is the same render that goes to the successor.
                Sign::Gone => None,
                Sign::Busy | Sign::Failed if rules.account_only => {
                    Some(Self { probe: None, ..self.clone() })
                }
                Sign::Busy | Sign::Failed | Sign::Account => {
                    changed(opened(times.saturating_add(1), now, rules))
                }
            },
        }
    }
}

fn too_much(tally: Tally, rules: &BreakerRules) -> bool {
    let begun = tally.begun();
    begun >= rules.least_calls
        && tally.failures.saturating_mul(100) >= begun.saturating_mul(rules.percent)
}

fn opened(times: u32, now: DateTime<Utc>, rules: &BreakerRules) -> Breaker {
    let doubled = 2_i32.saturating_pow(times.saturating_sub(1).min(20));
    let time = rules.first.checked_mul(doubled).unwrap_or(rules.longest).min(rules.longest);
    Breaker::Open { since: now, until: now + time, times }
}

#[cfg(test)]
mod tests;
