//! A render explained: everything that was decided about it is decided once more from its row, its
//! tries and its batches, and held against what is stored.

mod checks;
mod tries;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use self::tries::{Joined, Try};
use self::{checks::Checks, tries::order_of};
use crate::{
    attempt::Attempt,
    batch::Batch,
    catalogue::Catalogue,
    chain::Step,
    ids::{EntryId, RenderId},
    lane::{Lane, LaneRules},
    money::Micros,
    render::{Grounds, Render, RenderStatus},
    routing::{Percent, Route, RouteReason},
};

/// What is known of a render, and what the house goes by.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub render: &'a Render,
    /// All that were made for it, alone or in a batch.
    pub attempts: &'a [Attempt],
    /// Those that it joined.
    pub batches: &'a [Batch],
    pub catalogue: &'a Catalogue,
    /// The salt of the rollout.
    pub salt: &'a str,
    pub lanes: &'a LaneRules,
    /// What this deployment can run.
    pub available: &'a [Step],
    /// `max-batch-size` as it is now.
    pub max_batch_size: usize,
    pub now: DateTime<Utc>,
}

/// Why a render went where it went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub render_id: RenderId,
    /// Its status, or why it failed.
    pub status: String,
    /// From 0 to 9,999.
    pub bucket: u16,
    pub route: RouteFacts,
    pub lane: Lane,
    pub entry: EntryId,
    pub model: String,
    pub step: Step,
    pub n: u32,
    pub tries: Vec<Try>,
    pub batches: Vec<Joined>,
    pub cost: Micros,
    pub times: Times,
    /// The knobs in force when it was accepted, and how the providers were; none for rows from before
    /// they were kept.
    pub grounds: Option<Grounds>,
    /// Where what follows from all this is not what is stored. Empty where all is well.
    pub differs: Vec<Difference>,
}

/// Which provider, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteFacts {
    pub assigned: Route,
    pub served: Route,
    /// The percentage that was in force.
    pub percent: Option<Percent>,
    pub reason: Option<RouteReason>,
}

/// When it came, and when it had to be there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    pub accepted_at: DateTime<Utc>,
    pub deadline_at: DateTime<Utc>,
    pub give_up_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// From acceptance to the end.
    pub took_seconds: Option<f64>,
    pub in_time: Option<bool>,
    /// What it still owes, and the tries that it waits for.
    pub owed: usize,
    pub open_tries: usize,
}

/// A fact that is stored otherwise than it follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub what: String,
    pub stored: String,
    pub derived: String,
}

/// Explains a render.
pub fn explain(facts: &Facts<'_>) -> Explanation {
    let render = facts.render;
    let mut checks = Checks::default();
    let (bucket, reason) = checks.route(facts);
    checks.entrance(facts);
    checks.tries(facts);
    checks.batches(facts);
    checks.end(facts);
    let mut tries: Vec<_> = facts.attempts.iter().map(|attempt| Try::of(attempt, render)).collect();
    tries.sort_by_key(order_of);
    let entry = facts.catalogue.get(&render.entry);
    Explanation {
        render_id: render.id.clone(),
        status: match &render.status {
            RenderStatus::Failed { code, .. } => code.as_str().to_owned(),
            status => status.as_str().to_owned(),
        },
        bucket: bucket.get(),
        route: RouteFacts {
            assigned: render.assigned,
            served: render.served,
            percent: render.grounds.map(|g| g.traffic_percent.min(g.traffic_ceiling)),
            reason,
        },
        lane: render.lane,
        entry: render.entry.clone(),
        model: entry.map(|entry| entry.model.clone()).unwrap_or_default(),
        step: render.step,
        n: render.n,
        tries,
        batches: facts.batches.iter().map(|batch| Joined::of(batch, facts)).collect(),
        cost: render.cost(),
        times: times(render),
        grounds: render.grounds,
        differs: checks.differs,
    }
}

fn times(render: &Render) -> Times {
    let ended_at = render.status.ended_at();
    let took = ended_at.map(|at| at - render.accepted_at);
    Times {
        accepted_at: render.accepted_at,
        deadline_at: render.deadline_at,
        give_up_at: render.give_up_at,
        ended_at,
        took_seconds: took.map(|took: TimeDelta| took.num_milliseconds() as f64 / 1_000.0),
        in_time: ended_at.map(|at| at <= render.deadline_at),
        owed: render.owed.len(),
        open_tries: render.open_attempts.len(),
    }
}
