//! One prediction: what it is at any moment follows from its times.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use tryon_core::{catalogue::PredictionPrice, lane::Lane};

use crate::{Charge, Provider, draw::Drawing, lots::Hash};

/// How long after its end everything but the bare object is deleted.
const KEPT: TimeDelta = TimeDelta::hours(1);

#[derive(Debug)]
pub(super) struct Prediction {
    pub(super) number: usize,
    pub(super) id: String,
    /// What chance draws from.
    pub(super) about: Hash,
    /// The caller's name for it.
    pub(super) attempt: Option<String>,
    pub(super) model: String,
    pub(super) version: String,
    pub(super) price: PredictionPrice,
    /// Whether the output is an array.
    pub(super) several: bool,
    pub(super) input: Map<String, Value>,
    /// Absent where nothing is drawn, or no more.
    pub(super) drawing: Option<Arc<Drawing>>,
    pub(super) created: DateTime<Utc>,
    pub(super) plan: Plan,
    pub(super) deadline: Option<DateTime<Utc>>,
    pub(super) cancelled: Option<DateTime<Utc>>,
    /// Whether the caller can know of it: its create was answered, or its end was told.
    pub(super) known: bool,
}

/// What a prediction does, if left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// When it starts to run and when it ends; absent: never.
    pub(super) runs: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub(super) end: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With so many pictures.
    Succeeded(usize),
    /// With this error.
    Failed(String),
    /// By the user, or for its deadline while it ran.
    Canceled,
    /// For its deadline before it ran.
    Aborted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase<'a> {
    Starting,
    Processing {
        since: DateTime<Utc>,
    },
    Ended {
        how: &'a End,
        /// Absent: it never ran.
        started: Option<DateTime<Utc>>,
        at: DateTime<Utc>,
    },
}

impl Prediction {
    pub(super) fn phase(&self, now: DateTime<Utc>) -> Phase<'_> {
        if let Some((how, at)) = self.stop()
            && at <= now
            && self.plan.runs.is_none_or(|(_, ends)| at < ends)
        {
            let started = self.plan.runs.map(|(starts, _)| starts).filter(|starts| *starts <= at);
            return Phase::Ended { how, started, at };
        }
        match self.plan.runs {
            Some((starts, ends)) if ends <= now => {
                Phase::Ended { how: &self.plan.end, started: Some(starts), at: ends }
            }
            Some((starts, _)) if starts <= now => Phase::Processing { since: starts },
            _ => Phase::Starting,
        }
    }

    /// What ends it before its time, and when.
    fn stop(&self) -> Option<(&'static End, DateTime<Utc>)> {
        let cancelled = self.cancelled.map(|at| (&End::Canceled, at));
        let deadline = self.deadline.map(|at| {
            let runs = self.plan.runs.is_some_and(|(starts, _)| starts <= at);
            (if runs { &End::Canceled } else { &End::Aborted }, at)
        });
        [cancelled, deadline].into_iter().flatten().min_by_key(|(_, at)| *at)
    }

    pub(super) fn is_ended(&self, now: DateTime<Utc>) -> bool {
        matches!(self.phase(now), Phase::Ended { .. })
    }

    /// Whether its input and output have been deleted.
    pub(super) fn is_removed(&self, now: DateTime<Utc>) -> bool {
        matches!(self.phase(now), Phase::Ended { at, .. } if at + KEPT <= now)
    }

    /// How long it still takes; absent: for ever.
    pub(super) fn left(&self, now: DateTime<Utc>) -> Option<Duration> {
        let ends = self.plan.runs.map(|(_, ends)| ends);
        let stops = self.stop().map(|(_, at)| at);
        let end = ends.into_iter().chain(stops).min()?;
        Some((end - now).to_std().unwrap_or_default())
    }

    /// How many pictures can be fetched.
    pub(super) fn pictures(&self, now: DateTime<Utc>) -> usize {
        match self.phase(now) {
            Phase::Ended { how: End::Succeeded(count), .. } if !self.is_removed(now) => *count,
            _ => 0,
        }
    }

    /// What the caller calls it.
    pub(super) fn name(&self) -> &str {
        self.attempt.as_deref().unwrap_or(&self.id)
    }

    /// What it cost, once it has ended; nothing where it was free.
    pub(super) fn charge(&self, now: DateTime<Utc>) -> Option<Charge> {
        let Phase::Ended { how, started, at } = self.phase(now) else { return None };
        let nanos = match (self.price, how) {
            (PredictionPrice::PictureMicros(micros), End::Succeeded(count)) => {
                *count as u128 * u128::from(micros) * 1_000
            }
            (PredictionPrice::PictureMicros(_), _) => 0,
            (PredictionPrice::SecondNanos(nanos), _) => {
                let run = run(started, at).unsigned_abs();
                (u128::from(run) * u128::from(nanos)).div_ceil(1_000)
            }
        };
        (nanos > 0).then(|| Charge {
            provider: Provider::Replicate,
            attempt: self.name().to_owned(),
            key: self.id.clone(),
            model: self.model.clone(),
            lane: Lane::Online,
            nanos,
            answered: self.known,
            at,
        })
    }
}

/// Milliseconds of a run; none where there was none.
pub(super) fn run(started: Option<DateTime<Utc>>, at: DateTime<Utc>) -> i64 {
    started.map_or(0, |started| (at - started).num_milliseconds().max(0))
}
