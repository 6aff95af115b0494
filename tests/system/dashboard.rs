//! The dashboard shows what there is: every name in it is one of the table of metrics or of the template,
//! and every widget has its place.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tryon_core::{budget::CAP_PERCENT, gates::Rules, metrics::TABLE};

use crate::{
    alarms::{Alarm, Math, Series},
    labels,
    resolve::{filled, filled_with, resources, template},
};

const COLUMNS: u64 = 24;
/// A graph takes no more.
const MOST_SERIES: usize = 500;

/// What the story is told with.
const STORY: [&str; 21] = [
    "attempts_failed",
    "batch_fill",
    "batches_sealed",
    "batches_stuck",
    "bills_above_reservation",
    "breaker_open",
    "budget_committed",
    "budget_held",
    "budget_reserved",
    "budget_settled",
    "duplicate_images",
    "fallbacks",
    "provider_breaker_open",
    "queue_messages",
    "render_cost",
    "render_failures",
    "renders_accepted",
    "renders_assigned",
    "renders_failed",
    "renders_succeeded",
    "target_share",
];

fn widgets() -> Vec<Value> {
    let template = template();
    let (_, dashboard) = resources(&template, "AWS::CloudWatch::Dashboard").remove(0);
    let yaml_serde::Value::Tagged(body) = &dashboard["DashboardBody"] else { panic!() };
    let (text, given) = (&body.value[0], body.value[1].as_mapping().unwrap());
    let given = given.iter().map(|(name, value)| {
        (name.as_str().unwrap().to_owned(), crate::resolve::text(&template, value))
    });
    let text = filled_with(&template, text.as_str().unwrap(), &given.collect());
    let body: Value = serde_json::from_str(&text).unwrap();
    body["widgets"].as_array().unwrap().clone()
}

fn number(widget: &Value, name: &str) -> u64 {
    widget[name].as_u64().unwrap_or_else(|| panic!("{name} of {widget}"))
}

/// What is drawn in a graph, with what is set for each.
fn rows(widget: &Value) -> impl Iterator<Item = (Vec<&str>, &Value)> {
    widget["properties"]["metrics"].as_array().into_iter().flatten().map(|row| {
        let row = row.as_array().unwrap();
        let names = row.iter().filter_map(Value::as_str).collect();
        (names, row.last().filter(|last| last.is_object()).unwrap_or(&Value::Null))
    })
}

fn title(widget: &Value) -> &str {
    widget["properties"]["title"].as_str().unwrap_or("")
}

#[test]
fn every_widget_has_its_place() {
    let mut taken = BTreeSet::new();
    for widget in widgets() {
        let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| number(&widget, name));
        assert!(width > 0 && height > 0 && x + width <= COLUMNS, "{widget}");
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{cell:?} is taken twice: {widget}");
        }
    }
    let rows = taken.iter().map(|(_, y)| y + 1).max().unwrap();
    assert_eq!(taken.len() as u64, COLUMNS * rows, "no holes");
}

#[test]
fn every_series_is_one_that_there_is() {
    let template = template();
    let queues: BTreeSet<String> = resources(&template, "AWS::SQS::Queue")
        .iter()
        .map(|(name, _)| filled(&template, &format!("${{{name}.QueueName}}")))
        .collect();
    let (mut shown, mut seen_queues) = (BTreeSet::new(), BTreeSet::new());
    for widget in widgets() {
        let name = title(&widget);
        let period = widget["properties"]["period"].as_u64();
        let mut series = 0;
        let ids: BTreeSet<&str> =
            rows(&widget).filter_map(|(_, options)| options["id"].as_str()).collect();
        for (names, options) in rows(&widget) {
            if let Some(expression) = options["expression"].as_str() {
                if let Some(search) = Search::parse(expression) {
                    assert_eq!(search.dimensions, labels::dimensions(&search.metric), "{name}");
                    assert_eq!(Some(search.period), period, "{name}");
                    series += labels::most(&search.metric);
                    shown.insert(search.metric);
                } else {
                    for used in Math::parse(expression).names() {
                        assert!(ids.contains(used), "{name}: nothing is called {used}");
                    }
                }
                continue;
            }
            series += 1;
            let (namespace, metric) = (names[0], names[1]);
            let pairs: Vec<(&str, &str)> =
                names[2..].chunks(2).map(|pair| (pair[0], pair[1])).collect();
            if namespace == "tryon" {
                labels::check(name, &Series::of(namespace, metric, &pairs));
                shown.insert(metric.to_owned());
            } else {
                let known = ["ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"];
                assert!(namespace == "AWS/SQS" && known.contains(&metric), "{name}: {names:?}");
                assert!(pairs.len() == 1 && queues.contains(pairs[0].1), "{name}: {names:?}");
                seen_queues.insert(pairs[0].1.to_owned());
            }
        }
        assert!(series < MOST_SERIES, "{name}: {series}");
    }
    let untold: Vec<_> = STORY.iter().filter(|metric| !shown.contains(**metric)).collect();
    assert!(untold.is_empty(), "not shown: {untold:?}");
    assert_eq!(seen_queues, queues, "the age of each queue, and every dead letter");
    assert!(shown.iter().all(|metric| TABLE.iter().any(|line| line.name == *metric)));
}

#[test]
fn it_shows_every_alarm() {
    let widgets = widgets();
    let alarms = widgets.iter().find(|widget| widget["type"] == "alarm").unwrap();
    let shown = alarms["properties"]["alarms"].as_array().unwrap().iter();
    let arn = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:tryon-dev-";
    let shown: Vec<_> = shown.map(|one| one.as_str().unwrap().strip_prefix(arn).unwrap()).collect();
    let all = Alarm::all();
    assert_eq!(shown, all.iter().map(|alarm| alarm.name.as_str()).collect::<Vec<_>>());
}

/// The lines across the graphs are what the gates and the budget go by.
#[test]
fn lines_stand_where_the_rules_are() {
    let rules = Rules::default();
    let mut lines: BTreeMap<String, f64> = BTreeMap::new();
    for widget in widgets() {
        for line in
            widget["properties"]["annotations"]["horizontal"].as_array().into_iter().flatten()
        {
            let name = format!("{}: {}", title(&widget), line["label"].as_str().unwrap());
            lines.insert(name, line["value"].as_f64().unwrap());
        }
    }
    for (name, value) in [
        ("Cost of an image, dollars: gate", rules.cost_of_image.usd()),
        ("Assigned provider's failures, percent: gate", 100.0 * rules.failures.limit),
        ("Latency online, SD and HD, seconds: target", f64::from(rules.online_seconds)),
        ("Latency online, 4K, seconds: target", f64::from(rules.online_large_seconds)),
        ("Latency Batch, in deadlines: deadline", 1.0),
        ("Share of the daily budget, percent: cap", CAP_PERCENT as f64),
        ("Share of the daily budget, percent: warning", 75.0),
    ] {
        assert_eq!(lines.get(name), Some(&value), "{name}");
    }
    // Shares of the target, back in seconds.
    let scaled = |target: u32| format!("{target} * g95");
    let all = widgets();
    let expressions: BTreeSet<&str> = all
        .iter()
        .flat_map(rows)
        .filter_map(|(_, options)| options["expression"].as_str())
        .collect();
    for target in [rules.online_seconds, rules.online_large_seconds] {
        assert!(expressions.contains(scaled(target).as_str()), "{target}");
    }
}

/// `docs/dashboard.md` has a sketch of it.
#[test]
fn its_picture_is_in_the_documents() {
    let mut sketch = String::new();
    let mut by_row: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for widget in widgets() {
        by_row.entry(number(&widget, "y")).or_default().push(widget);
    }
    for widgets in by_row.values() {
        let cells = widgets.iter().map(|widget| {
            let title = if widget["type"] == "text" { "what this is" } else { title(widget) };
            let width = usize::try_from(number(widget, "width")).unwrap() * 5 - 3;
            format!("| {title:width$.width$} ")
        });
        sketch.extend(cells.chain(["|\n".to_owned()]));
    }
    let document = include_str!("../../docs/dashboard.md");
    assert!(document.contains(&sketch), "docs/dashboard.md has another picture than\n{sketch}");
}

/// A search for all series of one metric.
struct Search {
    metric: String,
    dimensions: BTreeSet<&'static str>,
    period: u64,
}

impl Search {
    fn parse(expression: &str) -> Option<Self> {
        let inside = expression.strip_prefix("SEARCH('{tryon,")?.strip_suffix(')')?;
        let (names, rest) = inside.split_once("} MetricName=\"")?;
        let (metric, rest) = rest.split_once("\" stage=\"dev\"', '")?;
        let (statistic, period) = rest.split_once("', ")?;
        assert!(["Sum", "Maximum"].contains(&statistic), "{expression}");
        let known = labels::dimensions(metric);
        let dimensions = names.split(',').map(|name| {
            *known.get(name).unwrap_or_else(|| panic!("{name} is no dimension of {metric}"))
        });
        let dimensions = dimensions.collect();
        Some(Self { metric: metric.to_owned(), dimensions, period: period.parse().ok()? })
    }
}
