//! What template.yaml says of the house agrees with the code.

use std::collections::BTreeSet;

use tryon_core::{budget::Account, catalogue::Catalogue, lane::Lane, metrics::TABLE};
use yaml_serde::Value;

const FUNCTIONS: [&str; 8] = [
    "router",
    "accumulator",
    "imagen",
    "replicate",
    "distributor",
    "reconciler",
    "rollout",
    "migrate",
];

/// The numbers that somebody is woken for.
const WATCHED: [&str; 10] = [
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
];

fn template() -> Value {
    yaml_serde::from_str(include_str!("../../template.yaml")).unwrap()
}

/// The resources of a kind, by name.
fn resources<'a>(template: &'a Value, kind: &str) -> Vec<(&'a str, &'a Value)> {
    let all = template["Resources"].as_mapping().unwrap().iter();
    all.filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str().unwrap(), &resource["Properties"]))
        .collect()
}

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
    let template = template();
    let backends = Catalogue::built_in().unwrap().backends();
    let mut watched = BTreeSet::new();
    for (name, alarm) in resources(&template, "AWS::CloudWatch::Alarm") {
        if alarm["Namespace"] != "tryon" {
            continue;
        }
        let metric = alarm["MetricName"].as_str().unwrap();
        let line = TABLE.iter().find(|line| line.name == metric);
        let line = line.unwrap_or_else(|| panic!("{name}: nobody prints {metric}"));
        let given = dimensions(alarm);
        let mut expected: BTreeSet<&str> = line.dimensions.iter().copied().collect();
        expected.extend(["function", "stage"]);
        let names: BTreeSet<&str> = given.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, expected, "{name}");
        for (dimension, value) in given {
            let known = match dimension {
                "stage" => tagged(value, "Ref") == Some("Stage"),
                "function" => value.as_str().is_some_and(|value| FUNCTIONS.contains(&value)),
                "backend" => backends.iter().any(|backend| value == backend.as_str()),
                "lane" => [Lane::Online, Lane::Batch].iter().any(|lane| value == lane.as_str()),
                "grant" => ["granted", "ungranted"].iter().any(|grant| value == *grant),
                "account" => Account::ALL.iter().any(|account| value == account.as_str()),
                other => panic!("{name}: say which values {other} has"),
            };
            assert!(known, "{name}: {dimension} is {value:?}");
        }
        watched.insert(metric);
    }
    assert_eq!(watched, WATCHED.into());
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
