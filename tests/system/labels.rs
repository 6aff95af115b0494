//! The values that each dimension of our numbers can have, and which functions print what: so many
//! series there can be, and no more.

use std::collections::BTreeSet;

use tryon_core::{
    budget::Account,
    catalogue::{Backend, Catalogue},
    chain::Step,
    gates::{Class, Gate},
    lane::Lane,
    metrics::{Line, TABLE},
    outcome::FailClass,
    ports::QueueName,
    render::FailureCode,
    routing::Route,
};

use crate::{
    alarms::{HEALTHY, Series},
    resolve::STAGE,
};

const BUYERS: [&str; 2] = ["imagen", "replicate"];
const FAILURES: [FailureCode; 4] = [
    FailureCode::ContentRefused,
    FailureCode::ProviderUnavailable,
    FailureCode::BudgetExhausted,
    FailureCode::TimedOut,
];
const CLASSES: [FailClass; 14] = [
    FailClass::Provider,
    FailClass::Missing,
    FailClass::NoImage,
    FailClass::Exhausted,
    FailClass::Unknown,
    FailClass::Invalid,
    FailClass::Account,
    FailClass::Setup,
    FailClass::Retired,
    FailClass::Cancelled,
    FailClass::Expired,
    FailClass::Deferred,
    FailClass::Unfunded,
    FailClass::Diverted,
];
const BACKENDS: [Backend; 4] =
    [Backend::GeminiOnline, Backend::GeminiBatch, Backend::VertexPredict, Backend::Replicate];
/// What `CloudWatch` takes for a metric and month, in cents.
const CENTS: usize = 30;

/// The functions that print a metric.
fn printers(metric: &str) -> &'static [&'static str] {
    match metric {
        "renders_accepted" | "renders_assigned" | "requests_repeated" | "requests_limited"
        | "renders_diverted" => &["router"],
        "batches_sealed" | "batch_fill" | "seal_seconds" | "google_jobs" => &["accumulator"],
        "google_missing" => &["imagen"],
        "rollout_moves" | "traffic_in_force" | "gate_verdict" => &["rollout"],
        "provider_calls" | "calls_put_off" | "price_drift" | "bills_above_reservation" => &BUYERS,
        "breaker_moves" => &["router", "imagen", "replicate"],
        "renders_succeeded" | "renders_failed" | "render_seconds" | "target_share"
        | "render_failures" | "render_cost" | "fallbacks" | "attempts_failed"
        | "duplicate_images" | "rescues" => &["distributor"],
        "catalogue_refused"
        | "model_retires_days"
        | "models_retire_days"
        | "budget_reserved"
        | "budget_settled"
        | "budget_held"
        | "budget_committed"
        | "breaker_open"
        | "provider_breaker_open"
        | "queue_messages"
        | "dead_letters"
        | "overdue" => &["reconciler"],
        "model_retired" | "models_retired" | "batches_stuck" => &["imagen", "reconciler"],
        // Each queue has one reader.
        "queue_age" | "messages_retried" | "messages_rejected" => {
            &["accumulator", "imagen", "replicate", "distributor"]
        }
        other => panic!("say who prints {other}"),
    }
}

/// The queues that a function reads.
fn reads(function: &str) -> &'static [QueueName] {
    match function {
        "accumulator" => &[QueueName::Accumulator],
        "imagen" => &[QueueName::ImagenOnline, QueueName::ImagenJobs],
        "replicate" => &[QueueName::Replicate],
        "distributor" => &[QueueName::GeminiBatch],
        // It looks at all of them.
        "reconciler" => &QueueName::ALL,
        _ => &[],
    }
}

/// What a dimension can be, where this function prints this metric.
fn values(dimension: &str, metric: &str, function: &str) -> BTreeSet<String> {
    let fixed: &[&str] = match (dimension, metric) {
        ("reason", _) => &["count", "time", "bytes"],
        ("code", _) => &FAILURES.map(FailureCode::as_str),
        ("class", "attempts_failed") => &CLASSES.map(FailClass::as_str),
        ("class", _) => &Class::ALL.map(Class::as_str),
        ("answer", _) => &["good", "busy", "gone", "failed", "account"],
        ("to", _) => &["opened", "closed", "probe"],
        ("why", _) => &["paced", "barred"],
        ("grant", _) => &["granted", "ungranted"],
        ("what", _) => &["granted", "delivered"],
        ("kind", _) => &["renders", "batches", "attempts"],
        ("move", _) => &["hold", "ready", "raise", "back"],
        ("gate", _) => &Gate::ALL.map(Gate::as_str),
        ("end", _) => &["image", "none"],
        ("lane", _) => &[Lane::Online, Lane::Batch].map(Lane::as_str),
        ("route", _) => &[Route::Gemini, Route::Legacy].map(Route::as_str),
        ("step", _) => &Step::ALL.map(Step::as_str),
        ("account", _) => &Account::ALL.map(Account::as_str),
        ("queue", _) => return reads(function).iter().map(|queue| queue.as_str().into()).collect(),
        ("backend", _) => &BACKENDS.map(Backend::as_str),
        ("model", _) => {
            let catalogue = Catalogue::built_in().unwrap();
            return catalogue.entries().map(|(_, entry)| entry.model.clone()).collect();
        }
        (other, _) => panic!("say which values {other} has"),
    };
    fixed.iter().map(|value| (*value).to_owned()).collect()
}

fn line(metric: &str) -> &'static Line {
    let line = TABLE.iter().find(|line| line.name == metric);
    line.unwrap_or_else(|| panic!("nobody prints {metric}"))
}

/// The names that the dimensions of a metric have.
pub(crate) fn dimensions(metric: &str) -> BTreeSet<&'static str> {
    line(metric).dimensions.iter().copied().chain(["function", "stage"]).collect()
}

/// How many series there can be of one metric.
pub(crate) fn most(metric: &str) -> usize {
    let of = |function: &&str| -> usize {
        line(metric).dimensions.iter().map(|name| values(name, metric, function).len()).product()
    };
    printers(metric).iter().map(of).sum()
}

/// Whether a function prints this series; `who` asks.
pub(crate) fn check(who: &str, series: &Series) {
    let (metric, given) = (&series.metric, &series.dimensions);
    let names: BTreeSet<&str> = given.keys().map(String::as_str).collect();
    assert_eq!(names, dimensions(metric), "{who}: the dimensions of {metric}");
    let function = given["function"].as_str();
    assert!(printers(metric).contains(&function), "{who}: {function} does not print {metric}");
    assert_eq!(given["stage"], STAGE, "{who}");
    for name in line(metric).dimensions {
        let known = values(name, metric, function);
        assert!(known.contains(&given[*name]), "{who}: {name} of {metric}: {}", given[*name]);
    }
}

/// `docs/metrics.md` tells the bound and what it costs, and what a shop comes to.
#[test]
fn there_are_only_so_many_series() {
    let most: usize = TABLE.iter().map(|line| most(line.name)).sum();
    let seen = HEALTHY.series("tryon");
    for series in &seen {
        check("a healthy run", series);
    }
    let dollars = |count: usize| format!("${}", (count * CENTS).div_ceil(100));
    let told = format!(
        "At most {most} series a stage, {} a month; a healthy day has {} of them, {}.",
        dollars(most),
        seen.len(),
        dollars(seen.len()),
    );
    let document = include_str!("../../docs/metrics.md").replace('\n', " ");
    assert!(document.contains(&told), "docs/metrics.md does not say: {told}");
}
