//! `rollout-status`: for people, for ops routes, and for the next run.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    gates::{Figures, Finding, Interval, Mode, Move, Phase, Ramp, Report, Verdict, Why},
    ids::AuditId,
    ports::PortError,
    routing::Percent,
};

/// What a parameter takes.
const MOST_BYTES: usize = 4_096;
/// Of a waiver's reason; the audit has all of it.
const REASON_CHARS: usize = 40;

/// The status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutReport {
    pub at: DateTime<Utc>,
    /// In a sentence.
    pub says: String,
    pub mode: Mode,
    pub traffic_percent: Percent,
    pub traffic_ceiling: Percent,
    /// The lower of the two; nothing while the Gemini route is closed.
    pub in_force: Percent,
    /// When that last changed.
    pub since: DateTime<Utc>,
    /// The last phase that passed.
    pub good: Phase,
    pub rolled_back: bool,
    pub decision: Move,
    pub images: u64,
    pub findings: Vec<Finding>,
    pub split: Option<Figures>,
    /// The last of its own rows in the audit that was told of.
    pub told: Option<(DateTime<Utc>, AuditId)>,
    pub breaker_open: bool,
    /// Of the budget breaker, since `since`.
    pub openings: u64,
}

/// What the next run needs of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Kept {
    pub(super) in_force: Percent,
    pub(super) since: DateTime<Utc>,
    pub(super) told: Option<(DateTime<Utc>, AuditId)>,
    pub(super) breaker_open: bool,
    pub(super) openings: u64,
}

/// A status that cannot be read is none: the evidence begins anew.
pub(super) fn read(text: &str) -> Option<Kept> {
    let warn = |error: &serde_json::Error| tracing::warn!(%error, "rollout-status is not ours");
    serde_json::from_str(text).inspect_err(warn).ok()
}

impl RolloutReport {
    pub(super) fn new(ramp: &Ramp, step: Move, report: &Report, now: DateTime<Utc>) -> Self {
        Self {
            at: now,
            says: says(step, report),
            mode: ramp.mode,
            traffic_percent: ramp.traffic,
            traffic_ceiling: ramp.ceiling,
            in_force: ramp.in_force(),
            since: ramp.since,
            good: ramp.good,
            rolled_back: ramp.rolled_back,
            decision: step,
            images: report.images,
            findings: report.findings.iter().map(short).collect(),
            split: report.split.map(rounded),
            told: None,
            breaker_open: false,
            openings: 0,
        }
    }

    pub(super) fn keeping(
        self,
        told: Option<(DateTime<Utc>, AuditId)>,
        breaker_open: bool,
        openings: u64,
    ) -> Self {
        Self { told, breaker_open, openings, ..self }
    }

    pub(super) fn text(&self) -> Result<String, PortError> {
        let broken = |error: serde_json::Error| PortError::Broken(error.to_string());
        let text = serde_json::to_string(self).map_err(broken)?;
        if text.len() > MOST_BYTES {
            return Err(PortError::Broken(format!("rollout-status has {} bytes", text.len())));
        }
        Ok(text)
    }
}

/// What a step comes to, for whoever reads it.
pub(super) fn says(step: Move, report: &Report) -> String {
    match step {
        Move::Hold { why: Why::Off } => "nothing goes to Gemini".to_owned(),
        Move::Hold { why: Why::Stale } => "the evidence is of another percentage".to_owned(),
        Move::Hold { why: Why::Gate { gate, verdict } } => format!("held: {gate} is {verdict}"),
        Move::Hold { why: Why::Split { verdict } } => {
            format!("held: the split of the users is {}", of_split(verdict))
        }
        Move::Hold { why: Why::Least { images, until } } => {
            let until = until.format("%Y-%m-%d %H:%M UTC");
            format!("held: {images} more images, and not before {until}")
        }
        Move::Hold { why: Why::Complete } => "everything goes to Gemini".to_owned(),
        Move::Ready { next } => format!("ready for {} %", next.percent()),
        Move::Raise { next } => format!("raised to {} %", next.percent()),
        Move::RollBack { to, because } => {
            let finding = report.findings.iter().find(|finding| finding.gate == because);
            let figures = finding.map(|finding| finding.figures);
            let estimate =
                figures.and_then(|figures| figures.estimate).map(four).unwrap_or_default();
            let limit = figures.map(|figures| four(figures.limit)).unwrap_or_default();
            let to = to.percent();
            format!("rolled back to {to} %: {because} fails, {estimate} where the limit is {limit}")
        }
    }
}

const fn of_split(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "sound",
        Verdict::Inconclusive => "not certain yet",
        Verdict::NoData => "not seen yet",
        Verdict::Fail => "broken",
    }
}

/// What an entry of the audit is to know of the gates; far below what it takes.
pub(super) fn evidence(report: &Report) -> Value {
    let gate = |finding: &Finding| {
        let Figures { verdict, estimate, interval, limit, count, .. } = rounded(finding.figures);
        let (gate, group, legacy) = (finding.gate, &finding.group, finding.legacy.map(four));
        let waived = finding.waived.is_some();
        json!({"gate": gate, "verdict": verdict, "estimate": estimate, "interval": interval,
            "limit": limit, "count": count, "group": group, "legacy": legacy, "waived": waived})
    };
    let gates: Vec<Value> = report.findings.iter().map(gate).collect();
    let split = report.split.map(rounded);
    json!({"since": report.since, "images": report.images, "gates": gates, "split": split})
}

fn short(finding: &Finding) -> Finding {
    let mut finding = finding.clone();
    finding.figures = rounded(finding.figures);
    finding.legacy = finding.legacy.map(four);
    if let Some(waiver) = &mut finding.waived {
        waiver.reason = waiver.reason.chars().take(REASON_CHARS).collect();
        waiver.by = waiver.by.chars().take(REASON_CHARS).collect();
    }
    finding
}

fn rounded(figures: Figures) -> Figures {
    let interval =
        figures.interval.map(|at| Interval { low: four(at.low), high: at.high.map(four) });
    Figures {
        estimate: figures.estimate.map(four),
        interval,
        limit: four(figures.limit),
        ..figures
    }
}

/// Four digits are enough, and short.
fn four(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

impl Move {
    /// Its name, as metrics have it.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Hold { .. } => "hold",
            Self::Ready { .. } => "ready",
            Self::Raise { .. } => "raise",
            Self::RollBack { .. } => "back",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contract::fixtures::start,
        gates::{Gate, LONGEST, Waiver},
    };

    /// The longest of everything.
    fn longest() -> RolloutReport {
        let figures = Figures {
            verdict: Verdict::Inconclusive,
            estimate: Some(0.123_456_789),
            interval: Some(Interval { low: 1.234_567e-5, high: Some(123.456_789) }),
            limit: 0.333_333,
            count: 123_456_789,
            needed: Some(123_456_789),
        };
        let reason = "because ".repeat(60);
        let finding = |gate| Finding {
            gate,
            figures,
            group: Some("\u{1d504}".repeat(40)),
            legacy: Some(0.123_456_789),
            eta: Some(start()),
            waived: Waiver::new(gate, &reason, &reason, start(), start() + LONGEST).ok(),
        };
        let report = Report {
            at: start(),
            since: start(),
            findings: Gate::ALL.map(finding).into(),
            split: Some(figures),
            images: u64::MAX,
        };
        let ramp = Ramp {
            traffic: Percent::FULL,
            ceiling: Percent::FULL,
            since: start(),
            good: Phase::Fifty,
            rolled_back: true,
            mode: Mode::Automatic,
        };
        let step = Move::RollBack { to: Phase::Fifty, because: Gate::Failures };
        let told = Some((start(), AuditId::from("rollout/ready/1795435200000")));
        assert!(evidence(&report).to_string().len() < crate::audit::MAX_EVIDENCE);
        RolloutReport::new(&ramp, step, &report, start()).keeping(told, true, u64::MAX)
    }

    #[test]
    fn the_longest_status_fits_a_parameter_and_reads_back() {
        let text = longest().text().unwrap();
        assert!(text.len() < 3_900, "{} bytes", text.len());
        let back: RolloutReport = serde_json::from_str(&text).unwrap();
        assert_eq!(back, longest());
        let kept = read(&text).unwrap();
        assert_eq!((kept.in_force, kept.since, kept.openings), (Percent::FULL, start(), u64::MAX));
        assert!(
            text.contains("rolled back to 50 %: failures fails, 0.1235 where the limit is 0.3333")
        );
        assert_eq!(read("{}"), None);
        assert_eq!(read("all is well"), None);
    }
}
