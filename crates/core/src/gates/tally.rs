//! Renders counted into evidence, one by one.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    evidence::{BudgetDays, Evidence, Ratings, Slice, Users},
    judge::Rules,
    latency::Class,
    observed::Observed,
    quality::Stars,
};
use crate::{
    catalogue::Quality,
    chain::Fidelity,
    ids::{BatchId, UserId},
    routing::{Percent, Route},
};

/// Ratings are told apart by so many categories of garments, those with the most; each one more makes
/// all of them wait for more.
const MOST_CATEGORIES: usize = 12;
const OTHERS: &str = "others";

/// What was counted so far.
#[derive(Clone, Debug)]
pub struct Tally {
    rules: Rules,
    now: DateTime<Utc>,
    gemini: Side,
    legacy: Side,
    ratings: BTreeMap<(Quality, String), (Stars, Stars)>,
}

/// A route's renders.
#[derive(Clone, Debug, Default)]
struct Side {
    users: BTreeSet<UserId>,
    /// By the hour in which they came to count.
    slices: BTreeMap<i64, Slice>,
    batches: BTreeMap<BatchId, Together>,
}

/// Renders that were gathered in one batch. They count once all of them do: a rule that does not look
/// at what became of them.
#[derive(Clone, Debug, Default)]
struct Together {
    ended: Vec<(DateTime<Utc>, bool)>,
    unended: bool,
    due: Vec<(DateTime<Utc>, Class, f64)>,
    undue: bool,
}

impl Tally {
    pub fn new(rules: Rules, now: DateTime<Utc>) -> Self {
        let (gemini, legacy) = (Side::default(), Side::default());
        Self { rules, now, gemini, legacy, ratings: BTreeMap::new() }
    }

    /// One more render.
    pub fn add(&mut self, seen: &Observed) {
        self.rate(seen);
        let (delay, now) = (self.delay(seen), self.now);
        let side = match seen.assigned {
            Route::Gemini => &mut self.gemini,
            Route::Legacy => &mut self.legacy,
        };
        side.users.insert(seen.user.clone());
        side.pay(seen);
        if seen.is_left_out() {
            return;
        }
        let (due_at, class, share) = delay;
        let ended = seen.ended_at.map(|at| (at, !seen.is_delivered()));
        let due = (due_at <= now).then_some((due_at, class, share));
        let alone = || Together {
            ended: ended.into_iter().collect(),
            unended: ended.is_none(),
            due: due.into_iter().collect(),
            undue: due.is_none(),
        };
        match &seen.course.batch {
            None => side.count(&alone()),
            Some(batch) => side.batches.entry(batch.clone()).or_default().join(alone()),
        }
    }

    /// Everything that was counted, as evidence from `since` on.
    pub fn evidence(
        mut self,
        since: DateTime<Utc>,
        percent: Percent,
        budget: BudgetDays,
    ) -> Evidence {
        for side in [&mut self.gemini, &mut self.legacy] {
            for together in std::mem::take(&mut side.batches).into_values() {
                side.count(&together);
            }
        }
        let users = Users {
            percent,
            gemini: self.gemini.users.len() as u64,
            legacy: self.legacy.users.len() as u64,
        };
        let mut legacy = Slice::default();
        self.legacy.slices.values().for_each(|slice| legacy += *slice);
        let ratings = by_categories(self.ratings);
        let slices = self.gemini.slices.into_values().collect();
        Evidence { since, slices, legacy, ratings, users, budget }
    }

    fn rate(&mut self, seen: &Observed) {
        if let (Some(rating), Some(Fidelity::Exact)) = (seen.rating, seen.fidelity) {
            let cell = self.ratings.entry((seen.quality, seen.category.clone())).or_default();
            match seen.assigned {
                Route::Gemini => cell.0.add(rating),
                Route::Legacy => cell.1.add(rating),
            }
        }
    }

    /// When its time is over, and what share of it the picture took.
    fn delay(&self, seen: &Observed) -> (DateTime<Utc>, Class, f64) {
        let class = Class::of(seen.course.lane, seen.quality);
        let target = match class {
            Class::Online => TimeDelta::seconds(self.rules.online_seconds.into()),
            Class::OnlineLarge => TimeDelta::seconds(self.rules.online_large_seconds.into()),
            Class::Batch => seen.deadline_at - seen.accepted_at,
        };
        let took = seen.ended_at.filter(|_| seen.fidelity.is_some());
        let share = took.map_or(f64::INFINITY, |at| {
            (at - seen.accepted_at).as_seconds_f64() / target.as_seconds_f64()
        });
        (seen.accepted_at + target, class, share)
    }
}

impl Side {
    fn slice(&mut self, at: DateTime<Utc>) -> &mut Slice {
        self.slices.entry(at.timestamp().div_euclid(3_600)).or_default()
    }

    /// What it cost: of those that its provider was asked for.
    fn pay(&mut self, seen: &Observed) {
        let Some(at) = seen.ended_at else { return };
        let own = !seen.course.unasked || seen.is_delivered();
        if own {
            self.slice(at).costs.add(seen.cost, seen.fidelity.is_some());
        }
    }

    fn count(&mut self, together: &Together) {
        let Together { ended, unended, due, undue } = together;
        if let Some(at) = ended.iter().map(|(at, _)| *at).max().filter(|_| !unended) {
            let failed = ended.iter().filter(|(_, failed)| *failed).count();
            let slice = self.slice(at);
            slice.images += ended.len() as u64;
            slice.failures.add(failed as u64, ended.len() as u64);
        }
        if let Some(at) = due.iter().map(|(at, ..)| *at).max().filter(|_| !undue) {
            let part = 1.0 / due.len() as f64;
            let slice = self.slice(at);
            for (_, class, share) in due {
                slice.delays[*class as usize].add_part(*share, part);
            }
        }
    }
}

impl Together {
    fn join(&mut self, other: Self) {
        self.ended.extend(other.ended);
        self.due.extend(other.due);
        self.unended |= other.unended;
        self.undue |= other.undue;
    }
}

/// The categories with the most ratings each for itself, the rest as one.
fn by_categories(cells: BTreeMap<(Quality, String), (Stars, Stars)>) -> Vec<Ratings> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for ((_, category), (gemini, legacy)) in &cells {
        *counts.entry(category).or_default() += gemini.count() + legacy.count();
    }
    let mut most: Vec<(&str, u64)> = counts.into_iter().collect();
    most.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let kept: BTreeSet<String> =
        most.into_iter().take(MOST_CATEGORIES).map(|(category, _)| category.to_owned()).collect();
    let mut told: BTreeMap<(Quality, String), (Stars, Stars)> = BTreeMap::new();
    for ((quality, category), (gemini, legacy)) in cells {
        let category = if kept.contains(&category) { category } else { OTHERS.to_owned() };
        let cell = told.entry((quality, category)).or_default();
        cell.0 += gemini;
        cell.1 += legacy;
    }
    let cell =
        |((quality, category), (gemini, legacy))| Ratings { quality, category, gemini, legacy };
    told.into_iter().map(cell).collect()
}
