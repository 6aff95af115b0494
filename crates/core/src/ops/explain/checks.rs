//! What is stored against what follows.

use std::fmt::Display;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Difference, Facts,
    tries::{outcome_of, seal_of},
};
use crate::{
    chain::{Step, entrance},
    lane::{self, Lane, Wish},
    money::Micros,
    outcome::{FailClass, Outcome},
    render::{FailureCode, RenderStatus},
    routing::{Bucket, RouteReason, assign},
};

#[derive(Debug, Default)]
pub(super) struct Checks {
    pub(super) differs: Vec<Difference>,
}

impl Checks {
    fn hold(&mut self, what: impl Display, stored: impl Display, derived: impl Display) {
        let (stored, derived) = (stored.to_string(), derived.to_string());
        if stored != derived {
            self.differs.push(Difference { what: what.to_string(), stored, derived });
        }
    }

    /// Bucket and assigned route, from the user and the percentages in force then.
    pub(super) fn route(&mut self, facts: &Facts<'_>) -> (Bucket, Option<RouteReason>) {
        let render = facts.render;
        let bucket = Bucket::of(facts.salt, &render.user_id);
        self.hold("bucket", render.bucket.get(), bucket.get());
        let grounds = render.grounds.as_ref();
        let assigned =
            grounds.and_then(|grounds| assign(&render.user_id, &grounds.split(facts.salt)).ok());
        if let Some(assignment) = assigned {
            self.hold("assigned route", render.assigned, assignment.route);
        }
        (bucket, assigned.map(|assignment| assignment.reason))
    }

    /// Lane, times, route and first step, as the router decides them.
    pub(super) fn entrance(&mut self, facts: &Facts<'_>) {
        let render = facts.render;
        let Some(grounds) = &render.grounds else { return };
        let request = &render.request;
        let choice =
            lane::choose(Wish::of(request), request.quality, grounds.default_lane, facts.lanes);
        let day = render.accepted_at.date_naive();
        let mapped = facts.catalogue.entry_for(request.quality, day);
        let (Ok(choice), Some((entry_id, entry))) = (choice, mapped) else { return };
        let after = |seconds: u32| render.accepted_at + TimeDelta::seconds(seconds.into());
        self.hold("deadline", render.deadline_at, after(choice.deadline_seconds));
        self.hold("give-up time", render.give_up_at, after(choice.give_up_seconds));
        let first = entrance(
            render.assigned,
            request.accept_described,
            facts.available,
            grounds.when_budget_exhausted,
            grounds.google_well,
            |account| grounds.funded(account),
        );
        let Ok((served, step)) = first else { return };
        let bought_as = |entry: &_| {
            facts.attempts.iter().any(|attempt| {
                let mut shares = attempt.shares.iter();
                shares.any(|share| share.render_id == render.id && share.entry == *entry)
            })
        };
        // Another entry may have taken over since; then the first one was tried.
        if render.entry != *entry_id && !bought_as(entry_id) {
            self.hold("catalogue entry", &render.entry, entry_id);
        }
        let chosen = entry.lane_of(choice.lane, request.lane);
        let lane = if step == Step::Gemini { chosen } else { Lane::Online };
        // A render that has moved on is wherever its tries brought it; never into a batch again.
        let moved = (render.step, render.n) != (step, 1);
        if !moved || render.lane == Lane::Batch {
            self.hold("lane", render.lane, lane);
        }
        if !moved {
            self.hold("served route", render.served, served);
        }
    }

    /// What each try cost, by its own row and by the render's.
    pub(super) fn tries(&mut self, facts: &Facts<'_>) {
        let render = facts.render;
        let mut sum = Micros::ZERO;
        for attempt in facts.attempts {
            // What is open has not been applied to the row yet.
            if render.open_attempts.contains(&attempt.id) {
                continue;
            }
            let cost = outcome_of(attempt, render).map(|outcome| outcome.cost).unwrap_or_default();
            let stored = render.costs.get(&attempt.id).copied().unwrap_or_default();
            self.hold(format_args!("cost of {}", attempt.id), stored, cost);
            sum += cost;
        }
        let known = |id: &_| facts.attempts.iter().any(|attempt| attempt.id == *id);
        for (id, cost) in render.costs.iter().filter(|(id, _)| !known(id)) {
            self.hold(format_args!("cost of {id}"), cost, "no such try (kept for 45 days)");
        }
        let stored =
            render.costs.keys().filter(|id| known(id) && !render.open_attempts.contains(id));
        let stored: Micros = stored.filter_map(|id| render.costs.get(id)).copied().sum();
        self.hold("cost", stored, sum);
    }

    /// Why each batch was sealed.
    pub(super) fn batches(&mut self, facts: &Facts<'_>) {
        for batch in facts.batches {
            let stored = batch.sealed.map(|seal| seal.reason);
            if let Some((stored, derived)) = stored.zip(seal_of(batch, facts.max_batch_size)) {
                self.hold(format_args!("seal of {}", batch.id), stored, derived);
            }
        }
    }

    /// How it ended: the try that made the picture, or why there is none.
    pub(super) fn end(&mut self, facts: &Facts<'_>) {
        let render = facts.render;
        match &render.status {
            RenderStatus::Succeeded { picture, .. } => {
                let mut made = facts.attempts.iter().filter_map(|a| outcome_of(a, render));
                let is_it = |outcome: &Outcome| match outcome {
                    Outcome::Image { picture: of, .. } => of == picture,
                    _ => false,
                };
                let known = made.any(|outcome| is_it(&outcome.outcome));
                self.hold("picture", &picture.key, if known { &picture.key } else { "of no try" });
            }
            RenderStatus::Failed { code, at } => {
                let derived = why_failed(facts, *at);
                self.hold("failure", code.as_str(), derived.as_str());
            }
            RenderStatus::Accepted | RenderStatus::Queued | RenderStatus::Generating => {}
        }
    }
}

/// Why there is no picture, as it follows from what the tries gave.
fn why_failed(facts: &Facts<'_>, at: DateTime<Utc>) -> FailureCode {
    let render = facts.render;
    let outcomes = facts.attempts.iter().filter_map(|attempt| {
        // What came later did not decide.
        let ended_at = attempt.ended_at().filter(|ended_at| *ended_at <= at)?;
        // One may end in the moment in which the next does.
        let turn = (ended_at, attempt.step, attempt.id.n());
        Some((turn, outcome_of(attempt, render)?.outcome))
    });
    let outcomes: Vec<_> = outcomes.collect();
    if outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Refused) {
        return FailureCode::ContentRefused;
    }
    if at >= render.give_up_at {
        return FailureCode::TimedOut;
    }
    // The last try decides.
    match outcomes.iter().max_by_key(|(turn, _)| *turn) {
        Some((_, Outcome::Failed { class: FailClass::Unfunded | FailClass::Deferred })) => {
            FailureCode::BudgetExhausted
        }
        _ => FailureCode::ProviderUnavailable,
    }
}
