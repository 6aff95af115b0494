//! Every number that the functions report, in one table. They go through the `metrics` facade: a
//! function prints them for `CloudWatch`, the local run drops them, and `docs/metrics.md` lists them.

use metrics::{Label, Unit, counter, gauge, histogram};

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// How many there were.
    Count,
    /// A value for each of them.
    Distribution,
    /// How it stands.
    Level,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Distribution => "distribution",
            Self::Level => "level",
        }
    }
}

/// A number with a name of its own, split by `N` dimensions.
#[derive(Debug)]
pub struct Metric<const N: usize> {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    /// What it is split by. Each has few values: `CloudWatch` bills every combination.
    pub dimensions: [&'static str; N],
    pub meaning: &'static str,
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub dimensions: &'static [&'static str],
    pub meaning: &'static str,
}

impl<const N: usize> Metric<N> {
    const fn new(
        name: &'static str,
        kind: Kind,
        unit: Unit,
        dimensions: [&'static str; N],
        meaning: &'static str,
    ) -> Self {
        Self { name, kind, unit, dimensions, meaning }
    }

    const fn line(&'static self) -> Line {
        let Self { name, kind, unit, meaning, .. } = *self;
        Line { name, kind, unit, dimensions: &self.dimensions, meaning }
    }

    /// So many more of them.
    pub fn count(&self, values: [&str; N], more: u64) {
        counter!(self.name, self.labels(values)).increment(more);
    }

    /// One more value to take averages and percentiles of.
    pub fn record(&self, values: [&str; N], value: f64) {
        histogram!(self.name, self.labels(values)).record(value);
    }

    /// What it is now.
    pub fn show(&self, values: [&str; N], value: f64) {
        gauge!(self.name, self.labels(values)).set(value);
    }

    fn labels(&self, values: [&str; N]) -> Vec<Label> {
        let pairs = self.dimensions.into_iter().zip(values);
        pairs.map(|(name, value)| Label::new(name, value.to_owned())).collect()
    }
}

macro_rules! table {
    ($($id:ident: $n:literal = $name:literal, $kind:ident, $unit:ident, $dimensions:expr, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $id: Metric<$n> = Metric::new($name, Kind::$kind, Unit::$unit, $dimensions, $meaning);
        )*

        /// The whole table.
        pub static TABLE: &[Line] = &[$($id.line()),*];
    };
}

table! {
    RENDERS_ACCEPTED: 2 = "renders_accepted", Count, Count, ["route", "lane"],
        "Renders accepted, by the route that serves them and their lane.";
    RENDERS_ASSIGNED: 1 = "renders_assigned", Count, Count, ["route"],
        "The same, by the route that the hash gave them.";
    REQUESTS_REPEATED: 0 = "requests_repeated", Count, Count, [],
        "Requests whose idempotency key had made a render before.";
    REQUESTS_LIMITED: 0 = "requests_limited", Count, Count, [],
        "Requests refused because the user's hour was full.";
    BATCHES_SEALED: 1 = "batches_sealed", Count, Count, ["reason"],
        "Batches sealed, by what sealed them: count, time or bytes.";
    BATCH_FILL: 0 = "batch_fill", Distribution, Count, [],
        "Renders in a sealed batch.";
    SEAL_SECONDS: 0 = "seal_seconds", Distribution, Seconds, [],
        "From a batch's opening to its seal.";
    QUEUE_AGE: 1 = "queue_age", Distribution, Seconds, ["queue"],
        "How long a message waited for its first delivery, its delay included.";
    MESSAGES_RETRIED: 1 = "messages_retried", Count, Count, ["queue"],
        "Messages left for another delivery.";
    MESSAGES_REJECTED: 1 = "messages_rejected", Count, Count, ["queue"],
        "Messages put aside because no delivery could help.";
    RENDERS_SUCCEEDED: 1 = "renders_succeeded", Count, Count, ["step"],
        "Renders that ended with a picture, by the step that brought it.";
    RENDERS_FAILED: 1 = "renders_failed", Count, Count, ["code"],
        "Renders that ended without one, by failure code.";
    RENDER_SECONDS: 1 = "render_seconds", Distribution, Seconds, ["lane"],
        "From acceptance to the end of a render.";
    TARGET_SHARE: 2 = "target_share", Distribution, Count, ["route", "class"],
        "The same, as a share of the target of P95, by assigned route: 60 s online, 300 s for 4K (`online_large`), its own deadline in batch; above 1 is late. Leaves out what `render_failures` does.";
    RENDER_FAILURES: 1 = "render_failures", Distribution, Count, ["route"],
        "1 for a render whose assigned provider gave no picture, else 0: the average is the rate of failures. Left out are those refused for their content, and those that were never asked of it.";
    RENDER_COST: 2 = "render_cost", Distribution, Count, ["route", "end"],
        "What a render that ended cost, in dollars, by assigned route: with an image, or with none.";
    FALLBACKS: 1 = "fallbacks", Count, Count, ["step"],
        "Renders that went on to another step, by that step.";
    ATTEMPTS_FAILED: 1 = "attempts_failed", Count, Count, ["class"],
        "Outcomes without a picture, by failure class.";
    MODEL_RETIRED: 1 = "model_retired", Count, Count, ["model"],
        "Purchases refused because the model is gone, and minutes in which a quality is still mapped to a model past its date.";
    MODEL_RETIRES_DAYS: 1 = "model_retires_days", Level, Count, ["model"],
        "Days that are left to a model that serves a quality; below 1 it is gone.";
    MODELS_RETIRED: 0 = "models_retired", Count, Count, [],
        "The same for all models together: what an alarm watches.";
    MODELS_RETIRE_DAYS: 0 = "models_retire_days", Level, Count, [],
        "The fewest days that are left to a model that serves a quality.";
    CATALOGUE_REFUSED: 0 = "catalogue_refused", Level, Count, [],
        "1 while the catalogue in the bucket cannot be read or used, and the last good one is in force; else 0.";
    BUDGET_RESERVED: 1 = "budget_reserved", Level, Count, ["account"],
        "Dollars promised to attempts under way.";
    BUDGET_SETTLED: 1 = "budget_settled", Level, Count, ["account"],
        "Dollars spent on this UTC day.";
    BUDGET_HELD: 1 = "budget_held", Level, Count, ["account"],
        "Dollars kept for attempts whose outcome nobody knows.";
    BUDGET_COMMITTED: 1 = "budget_committed", Level, Percent, ["account"],
        "Reserved, settled and held together, as a share of the day's budget.";
    BREAKER_OPEN: 1 = "breaker_open", Level, Count, ["account"],
        "1 while the day's money is spent, else 0.";
    PROVIDER_CALLS: 2 = "provider_calls", Count, Count, ["backend", "answer"],
        "Calls that buy, and jobs at their end, by what they say of the backend: good, busy, gone, failed or account.";
    GOOGLE_MISSING: 0 = "google_missing", Level, Count, [],
        "How many things of what Google asks for were missing at the last look: credentials, an API, a model, the list of jobs. 0 while the Gemini route is closed.";
    PROVIDER_BREAKER_OPEN: 1 = "provider_breaker_open", Level, Count, ["backend"],
        "1 while a backend's health breaker keeps calls away: open, or while one render tries; else 0.";
    BREAKER_MOVES: 2 = "breaker_moves", Count, Count, ["backend", "to"],
        "Times a backend's health breaker was opened or closed, or let one render try.";
    RENDERS_DIVERTED: 1 = "renders_diverted", Count, Count, ["backend"],
        "Google-bound renders that began elsewhere because a backend's breaker was open.";
    CALLS_PUT_OFF: 2 = "calls_put_off", Count, Count, ["backend", "why"],
        "Calls that were not made: held back for a while (paced), or kept from an open breaker (barred).";
    PRICE_DRIFT: 1 = "price_drift", Distribution, Count, ["lane"],
        "What a picture cost by its usage, as a multiple of what the catalogue expects: 1 is as planned.";
    BILLS_ABOVE_RESERVATION: 1 = "bills_above_reservation", Count, Count, ["account"],
        "Outcomes that cost more than was reserved for them; settled truthfully all the same.";
    DUPLICATE_IMAGES: 1 = "duplicate_images", Count, Count, ["grant"],
        "Pictures paid for a render that had one: granted (a rescue, or after the unknown), or ungranted, which must be 0.";
    RESCUES: 1 = "rescues", Count, Count, ["what"],
        "Batch renders granted an online attempt near their deadline (granted), and those that it gave their picture (delivered).";
    GOOGLE_JOBS: 0 = "google_jobs", Distribution, Count, [],
        "Open Google jobs, as counted when a batch is due to be sealed.";
    QUEUE_MESSAGES: 1 = "queue_messages", Level, Count, ["queue"],
        "Messages in a queue, delayed ones and those being handled included.";
    DEAD_LETTERS: 1 = "dead_letters", Level, Count, ["queue"],
        "Messages that were put aside.";
    ROLLOUT_MOVES: 1 = "rollout_moves", Count, Count, ["move"],
        "Runs of the rollout, by what they came to: hold, ready, raise or back.";
    TRAFFIC_IN_FORCE: 0 = "traffic_in_force", Level, Percent, [],
        "The share of users on the Gemini route: the lower of the two knobs, nothing while the route is closed.";
    GATE_VERDICT: 1 = "gate_verdict", Level, Count, ["gate"],
        "What a gate says: 0 it passes, 1 inconclusive, 2 no data, 3 it fails.";
    OVERDUE: 1 = "overdue", Count, Count, ["kind"],
        "Rows the reconciler found overdue: renders, batches, attempts.";
    BATCHES_STUCK: 0 = "batches_stuck", Count, Count, [],
        "Batches that stand still: a minute past their seal or ten without news of a job (reconciler), or at Google for longer than the day it means to need (imagen).";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_dimensions_few() {
        let names: BTreeSet<_> = TABLE.iter().map(|line| line.name).collect();
        assert_eq!(names.len(), TABLE.len());
        assert!(TABLE.iter().all(|line| line.dimensions.len() <= 2 && line.meaning.ends_with('.')));
    }
}
