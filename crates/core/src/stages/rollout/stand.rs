//! What a run begins with, from the knobs, the audit and the last status.

use chrono::{DateTime, TimeDelta, Utc};

use super::{ACTOR, status::Kept};
use crate::{
    audit::{Act, AuditEntry},
    gates::{Gate, Mode, Phase, Ramp, Waiver},
    routing::Percent,
    settings::Settings,
};

/// Without a status to go by, what happened longer ago was told of.
const UNTOLD: TimeDelta = TimeDelta::hours(1);

/// Where the ramp stands, and what is owed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stand {
    pub(super) ramp: Ramp,
    /// What the ceiling is to be, by the last of our rows, and is not.
    pub(super) owed: Option<Percent>,
    /// Our rows that were not told of for certain, the oldest first.
    pub(super) untold: Vec<AuditEntry>,
    /// The newest of our rows.
    pub(super) newest: Option<AuditEntry>,
    /// It is recorded already that the next phase may come.
    pub(super) ready: bool,
    pub(super) waivers: Vec<Waiver>,
    pub(super) breaker_open: bool,
    pub(super) openings: u64,
}

impl Stand {
    /// `acts` are of the audit, the newest first.
    pub(super) fn of(
        settings: &Settings,
        acts: &[AuditEntry],
        kept: Option<&Kept>,
        mode: Mode,
        now: DateTime<Utc>,
    ) -> Self {
        let enabled = settings.enable_gemini_batch;
        let traffic = if enabled { settings.traffic_percent } else { Percent::ZERO };
        let ceiling = settings.traffic_ceiling;
        let in_force = traffic.min(ceiling);
        // The percentage as it was last seen. A change that no run saw is new.
        let seen = kept.filter(|kept| kept.in_force == in_force).map_or(now, |kept| kept.since);
        let changed = acts.iter().find(|entry| is_change(&entry.act)).map(|entry| entry.at);
        let since = changed.map_or(seen, |at| at.max(seen)).min(now);
        let let_go = acts.iter().find_map(|entry| match entry.act {
            Act::RolledBack { to, .. } => Some(Some(to)),
            Act::CeilingSet { .. } => Some(None),
            _ => None,
        });
        let rolled_back = let_go.flatten();
        let told = kept.and_then(|kept| kept.told.clone());
        let is_told = |entry: &AuditEntry| match &told {
            Some((at, id)) => (entry.at, &entry.id) <= (*at, id),
            None => entry.at < now - UNTOLD,
        };
        let ours = || acts.iter().filter(|entry| entry.actor == ACTOR);
        let mut untold: Vec<_> = ours().filter(|entry| !is_told(entry)).cloned().collect();
        untold.reverse();
        let raised = untold.last().and_then(|entry| match entry.act {
            // Whatever ops made of it since then stands.
            Act::Raised { from, to } if from == ceiling => Some(to),
            _ => None,
        });
        let lifted = |to: &Percent| *to < ceiling;
        let same = kept.filter(|kept| kept.since == since);
        Self {
            owed: rolled_back.filter(lifted).or(raised.filter(|_| rolled_back.is_none())),
            newest: ours().next().cloned(),
            ready: acts
                .iter()
                .any(|entry| matches!(entry.act, Act::Ready { .. }) && entry.at >= since),
            waivers: Gate::ALL.into_iter().filter_map(|gate| waiver(acts, gate)).collect(),
            breaker_open: kept.is_some_and(|kept| kept.breaker_open),
            openings: same.map_or(0, |kept| kept.openings),
            ramp: Ramp {
                traffic,
                ceiling,
                since,
                good: good(acts),
                rolled_back: rolled_back.is_some(),
                mode,
            },
            untold,
        }
    }
}

/// Whether what was seen before it is of another percentage, or before somebody let it go again.
const fn is_change(act: &Act) -> bool {
    matches!(
        act,
        Act::TrafficSet { .. }
            | Act::CeilingSet { .. }
            | Act::RolledBack { .. }
            | Act::Raised { .. }
    )
}

/// The last phase that passed.
fn good(acts: &[AuditEntry]) -> Phase {
    let passed = acts.iter().find_map(|entry| match entry.act {
        Act::RolledBack { to, .. } => Some(Phase::at(to)),
        Act::Raised { from, .. } => Some(Phase::at(from)),
        Act::Ready { next } => Phase::ALL.into_iter().find(|phase| phase.next() == Some(next)),
        _ => None,
    });
    passed.unwrap_or_default()
}

/// The last word on a gate; one whose time was over when it was said ends what was said before.
fn waiver(acts: &[AuditEntry], gate: Gate) -> Option<Waiver> {
    acts.iter().find_map(|entry| match entry.act {
        Act::Waived { gate: waived, until } if waived == gate => {
            Some(Waiver::new(gate, &entry.reason, &entry.actor, entry.at, until).ok())
        }
        _ => None,
    })?
}
