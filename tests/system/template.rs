//! What template.yaml says of the house agrees with the code.

use std::collections::BTreeSet;

use tryon_core::metrics::TABLE;
use yaml_serde::Value;

use crate::{
    alarms::Alarm,
    labels,
    resolve::{resources, template},
};

/// The numbers that somebody is woken for.
const WATCHED: [&str; 14] = [
    "attempts_failed",
    "batches_stuck",
    "bills_above_reservation",
    "breaker_open",
    "budget_committed",
    "catalogue_refused",
    "duplicate_images",
    "google_missing",
    "models_retire_days",
    "models_retired",
    "price_drift",
    "provider_breaker_open",
    "render_failures",
    "target_share",
];

/// What a tag such as `!Ref` is given.
fn tagged<'a>(value: &'a Value, tag: &str) -> Option<&'a str> {
    let Value::Tagged(tagged) = value else { return None };
    (tagged.tag == tag).then(|| tagged.value.as_str())?
}

/// The dimensions of an alarm, by name.
fn dimensions(alarm: &Value) -> Vec<(&str, &Value)> {
    let all = alarm["Dimensions"].as_sequence().unwrap().iter();
    all.map(|dimension| (dimension["Name"].as_str().unwrap(), &dimension["Value"])).collect()
}

#[test]
fn alarms_watch_numbers_that_the_functions_print() {
    let mut watched = BTreeSet::new();
    let alarms = Alarm::all();
    for alarm in &alarms {
        for series in alarm.queries().map(|query| &query.series) {
            if series.namespace == "tryon" {
                labels::check(&alarm.name, series);
                watched.insert(series.metric.as_str());
            }
        }
    }
    assert_eq!(watched, WATCHED.into());
    assert!(watched.iter().all(|metric| TABLE.iter().any(|line| line.name == *metric)));
}

#[test]
fn every_function_and_every_queue_has_an_alarm() {
    let template = template();
    let alarms = resources(&template, "AWS::CloudWatch::Alarm");
    let watched = |metric: &str, tag: &str| -> BTreeSet<&str> {
        let alarms = alarms.iter().filter(|(_, alarm)| alarm["MetricName"] == metric);
        alarms.filter_map(|(_, alarm)| tagged(dimensions(alarm)[0].1, tag)).collect()
    };
    let functions = resources(&template, "AWS::Serverless::Function").into_iter();
    // A deployment whose migration fails rolls itself back, and says why.
    let functions = functions.map(|(name, _)| name).filter(|name| *name != "MigrateFunction");
    assert_eq!(watched("Errors", "Ref"), functions.collect());
    let queues = resources(&template, "AWS::SQS::Queue");
    let waits = queues.iter().filter(|(_, queue)| !queue["RedrivePolicy"].is_null());
    let waits: BTreeSet<String> = waits.map(|(name, _)| format!("{name}.QueueName")).collect();
    let watched_age = watched("ApproximateAgeOfOldestMessage", "GetAtt");
    assert_eq!(watched_age, waits.iter().map(String::as_str).collect());
    let dead = queues.iter().filter(|(_, queue)| queue["RedrivePolicy"].is_null());
    let dead: BTreeSet<String> = dead.map(|(name, _)| format!("{name}.QueueName")).collect();
    let watched = watched("ApproximateNumberOfMessagesVisible", "GetAtt");
    assert_eq!(watched, dead.iter().map(String::as_str).collect());
}

/// A parameter's first value.
fn default_of(template: &Value, parameter: &str) -> u64 {
    let value = &template["Parameters"][parameter]["Default"];
    value.as_u64().unwrap_or_else(|| panic!("{parameter} has no number"))
}

#[test]
fn a_message_stays_out_of_sight_while_its_function_may_run() {
    let template = template();
    for (timeout, visibility) in
        [("ImagenTimeout", "ImagenVisibility"), ("WorkerTimeout", "WorkerVisibility")]
    {
        // 20 s more: the lease of a killed run ends 5 s after its limit.
        assert_eq!(default_of(&template, timeout) + 20, default_of(&template, visibility));
    }
    assert_eq!(default_of(&template, "WorkerTimeout") * 6, default_of(&template, "FifoVisibility"));
}
