//! Alarms as the template defines them, and what `CloudWatch` would make of them over a tape.

use std::collections::BTreeMap;

use yaml_serde::Value;

use super::{
    math::Math,
    tape::{Series, Tape},
};
use crate::resolve::{resources, template, text};

/// Below so many values, the 95th percentile says nothing: 10 / (1 - 0.95).
const FEW: usize = 200;

#[derive(Clone, Debug)]
pub(crate) struct Alarm {
    /// Without the stage.
    pub(crate) name: String,
    pub(crate) description: String,
    queries: BTreeMap<String, Query>,
    /// Over the queries; one query stands for itself.
    math: Math,
    /// In milliseconds.
    period: i64,
    periods: i64,
    /// How many of them must breach.
    enough: usize,
    threshold: f64,
    comparison: Comparison,
    missing: Missing,
    ignores_few: bool,
}

/// A statistic of a series.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) series: Series,
    statistic: Statistic,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Statistic {
    Sum,
    Average,
    Minimum,
    Maximum,
    SampleCount,
    P95,
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Above,
    AtLeast,
    Below,
}

#[derive(Clone, Copy, Debug)]
enum Missing {
    Breaching,
    NotBreaching,
}

/// What a period came to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    Breaching,
    Fine,
    /// Too few values for a percentile.
    Few,
}

impl Alarm {
    /// All of the template's.
    pub(crate) fn all() -> Vec<Self> {
        let template = template();
        let alarms = resources(&template, "AWS::CloudWatch::Alarm").into_iter();
        alarms.map(|(_, alarm)| Self::of(&template, alarm)).collect()
    }

    fn of(template: &Value, alarm: &Value) -> Self {
        let number = |name: &str| alarm[name].as_i64();
        let word = |name: &str| alarm[name].as_str();
        let name = text(template, &alarm["AlarmName"]);
        let mut queries = BTreeMap::new();
        let mut math = Math::Name("it".to_owned());
        let mut period = number("Period");
        if let Some(all) = alarm["Metrics"].as_sequence() {
            for metric in all {
                let Some(expression) = metric["Expression"].as_str() else {
                    let (id, stat) = (metric["Id"].as_str().unwrap(), &metric["MetricStat"]);
                    assert_eq!(metric["ReturnData"], false, "{name}: one thing is compared");
                    let query = Query::of(template, &stat["Metric"], stat["Stat"].as_str());
                    queries.insert(id.to_owned(), query);
                    assert!(period.is_none() || period == stat["Period"].as_i64(), "{name}");
                    period = stat["Period"].as_i64();
                    continue;
                };
                math = Math::parse(expression);
            }
        } else {
            let statistic = word("Statistic").or(word("ExtendedStatistic"));
            queries.insert("it".to_owned(), Query::of(template, alarm, statistic));
        }
        for used in math.names() {
            assert!(queries.contains_key(used), "{name}: nothing is called {used}");
        }
        let periods = number("EvaluationPeriods").unwrap();
        Self {
            description: word("AlarmDescription").unwrap().to_owned(),
            period: 1_000 * period.unwrap(),
            periods,
            enough: usize::try_from(number("DatapointsToAlarm").unwrap_or(periods)).unwrap(),
            threshold: alarm["Threshold"].as_f64().unwrap(),
            comparison: match word("ComparisonOperator").unwrap() {
                "GreaterThanThreshold" => Comparison::Above,
                "GreaterThanOrEqualToThreshold" => Comparison::AtLeast,
                "LessThanThreshold" => Comparison::Below,
                other => panic!("{name}: {other}"),
            },
            missing: match word("TreatMissingData").unwrap() {
                "breaching" => Missing::Breaching,
                // What ignores it stays as it was: quiet, at first.
                "notBreaching" | "ignore" => Missing::NotBreaching,
                other => panic!("{name}: {other}"),
            },
            ignores_few: word("EvaluateLowSampleCountPercentile") == Some("ignore"),
            name: name.strip_prefix("tryon-dev-").unwrap().to_owned(),
            queries,
            math,
        }
    }

    pub(crate) fn queries(&self) -> impl Iterator<Item = &Query> {
        self.queries.values()
    }

    /// The first minute in which it rings; it looks once a minute, at windows that slide.
    pub(crate) fn rings(&self, tape: &Tape) -> Option<i64> {
        let rings = |minute: &i64| {
            let points: Vec<Point> =
                (0..self.periods).map(|back| self.point(tape, *minute, back)).collect();
            let breaching = points.iter().filter(|point| **point == Point::Breaching).count();
            // Where there are too few, it stays as it was: quiet, at first.
            !points.contains(&Point::Few) && breaching >= self.enough
        };
        (1..=tape.minutes()).find(rings)
    }

    fn point(&self, tape: &Tape, minute: i64, back: i64) -> Point {
        let to = 60_000 * minute - back * self.period;
        let mut values = BTreeMap::new();
        for (id, query) in &self.queries {
            let all = tape.between(&query.series, to - self.period, to);
            if query.statistic == Statistic::P95
                && self.ignores_few
                && (1..FEW).contains(&all.len())
            {
                return Point::Few;
            }
            values.extend(query.statistic.of(all).map(|value| (id.clone(), value)));
        }
        let breaching = match (self.math.value(&values), self.comparison) {
            (Some(value), Comparison::Above) => value > self.threshold,
            (Some(value), Comparison::AtLeast) => value >= self.threshold,
            (Some(value), Comparison::Below) => value < self.threshold,
            // Nobody knows what was before the run.
            (None, _) => matches!(self.missing, Missing::Breaching) && to >= self.period,
        };
        if breaching { Point::Breaching } else { Point::Fine }
    }
}

impl Query {
    fn of(template: &Value, metric: &Value, statistic: Option<&str>) -> Self {
        let dimensions: BTreeMap<String, String> = metric["Dimensions"]
            .as_sequence()
            .unwrap()
            .iter()
            .map(|one| (text(template, &one["Name"]), text(template, &one["Value"])))
            .collect();
        let series = Series {
            namespace: metric["Namespace"].as_str().unwrap().to_owned(),
            metric: metric["MetricName"].as_str().unwrap().to_owned(),
            dimensions,
        };
        let statistic = match statistic.unwrap() {
            "Sum" => Statistic::Sum,
            "Average" => Statistic::Average,
            "Minimum" => Statistic::Minimum,
            "Maximum" => Statistic::Maximum,
            "SampleCount" => Statistic::SampleCount,
            "p95" => Statistic::P95,
            other => panic!("{}: {other}", series.metric),
        };
        Self { series, statistic }
    }
}

impl Statistic {
    fn of(self, mut values: Vec<f64>) -> Option<f64> {
        if values.is_empty() {
            return None;
        }
        let (count, sum) = (values.len(), values.iter().sum::<f64>());
        values.sort_by(f64::total_cmp);
        Some(match self {
            Self::Sum => sum,
            Self::Average => sum / count as f64,
            Self::SampleCount => count as f64,
            Self::Minimum => values[0],
            Self::Maximum => values[count - 1],
            Self::P95 => values[(95 * count).div_ceil(100) - 1],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it rings, and when, over values of one metric by their seconds.
    fn rings(extra: &str, values: &[(i64, f64)]) -> Option<i64> {
        let text = format!(
            "{{AlarmName: tryon-dev-a, AlarmDescription: d, Namespace: n, MetricName: m, Dimensions: [], \
             Threshold: 10, ComparisonOperator: GreaterThanThreshold, {extra}}}"
        );
        let alarm = Alarm::of(&Value::Null, &yaml_serde::from_str(&text).unwrap());
        let tape = Tape::default();
        for (at, value) in values {
            tape.put_at(&Series::of("n", "m", &[]), 1_000 * at, *value);
        }
        tape.put_at(&Series::of("test", "end", &[]), 1_200_000, 0.0);
        alarm.rings(&tape)
    }

    #[test]
    fn so_many_periods_of_so_many() {
        let extra = "Statistic: Sum, Period: 60, EvaluationPeriods: 5, DatapointsToAlarm: 3, \
                     TreatMissingData: notBreaching";
        assert_eq!(rings(extra, &[(70, 11.0), (130, 11.0)]), None);
        assert_eq!(rings(extra, &[(70, 11.0), (130, 10.0), (140, 1.0), (300, 11.0)]), Some(5));
        // The first is out of sight by then.
        assert_eq!(rings(extra, &[(70, 11.0), (130, 11.0), (400, 11.0)]), None);
    }

    #[test]
    fn what_is_missing_is_as_the_alarm_says() {
        let extra = |missing| {
            format!(
                "Statistic: Average, Period: 300, EvaluationPeriods: 1, TreatMissingData: {missing}"
            )
        };
        assert_eq!(rings(&extra("notBreaching"), &[]), None);
        let fine: Vec<(i64, f64)> = (0..14).map(|minute| (60 * minute, 1.0)).collect();
        // The last value is at 780 s; a window of 300 s is empty at 1,080 s.
        assert_eq!(rings(&extra("breaching"), &fine), Some(18));
        assert_eq!(rings(&extra("notBreaching"), &[(30, 4.0), (40, 20.0)]), Some(1));
    }

    #[test]
    fn few_values_change_nothing_where_the_alarm_ignores_them() {
        let extra = "ExtendedStatistic: p95, Period: 600, EvaluationPeriods: 1, \
                     TreatMissingData: notBreaching";
        let ignoring = format!("EvaluateLowSampleCountPercentile: ignore, {extra}");
        let late = |count: u32, late: u32| -> Vec<(i64, f64)> {
            (0..count).map(|n| (100, if n < late { 11.0 } else { 1.0 })).collect()
        };
        assert_eq!(rings(extra, &late(199, 40)), Some(2));
        assert_eq!(rings(&ignoring, &late(199, 40)), None);
        assert_eq!(rings(&ignoring, &late(200, 11)), Some(2));
        assert_eq!(rings(&ignoring, &late(200, 10)), None);
    }
}
