use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::routing::Percent;

fn percent(points: u16) -> Percent {
    Percent::from_basis_points(points).unwrap()
}

fn ramp(traffic: u16, ceiling: u16, mode: Mode) -> Ramp {
    Ramp {
        traffic: percent(traffic),
        ceiling: percent(ceiling),
        since: start(),
        good: Phase::Off,
        rolled_back: false,
        mode,
    }
}

fn healthy() -> Report {
    static REPORT: LazyLock<Report> = LazyLock::new(|| ask(&good_evidence()));
    REPORT.clone()
}

fn with_verdict(gate: Gate, verdict: Verdict) -> Report {
    let mut report = healthy();
    for finding in report.findings.iter_mut().filter(|finding| finding.gate == gate) {
        finding.figures.verdict = verdict;
    }
    report
}

#[test]
fn a_healthy_ramp_goes_up_by_itself_where_it_may() {
    let mut now = start();
    let mut stand = ramp(10_000, 1_000, Mode::Automatic);
    for next in [Phase::Fifty, Phase::Full] {
        let least = Phase::at(stand.in_force()).least();
        let report = Report { since: now, ..healthy() };
        let early = now + least.time - TimeDelta::seconds(1);
        assert!(matches!(stand.decide(&report, early), Move::Hold { why: Why::Least { .. } }));
        now += least.time;
        let step = stand.decide(&report, now);
        assert_eq!(step, Move::Raise { next });
        stand = stand.after(step, now);
        assert_eq!(stand.in_force(), next.percent());
    }
    let full = Report { since: now, split: None, ..healthy() };
    assert_eq!(stand.decide(&full, now), Move::Hold { why: Why::Complete });
    assert_eq!(stand.good, Phase::Fifty);
}

#[test]
fn by_hand_it_is_only_ready() {
    let stand = ramp(1_000, 10_000, Mode::Manual);
    let ready = Move::Ready { next: Phase::Fifty };
    assert_eq!(stand.decide(&healthy(), later(4)), ready);
    assert_eq!(stand.after(ready, later(4)), Ramp { good: Phase::Ten, ..stand });
    // Where ops' percentage is the lower one, a higher ceiling would change nothing.
    assert_eq!(ramp(1_000, 1_000, Mode::Automatic).decide(&healthy(), later(4)), ready);
}

#[test]
fn too_few_images_hold_it() {
    let few = Report { images: 400, ..healthy() };
    let why = Why::Least { images: 100, until: later(3) };
    assert_eq!(ramp(1_000, 10_000, Mode::Manual).decide(&few, later(4)), Move::Hold { why });
}

#[test]
fn a_failure_sends_it_to_the_last_good_phase_and_there_it_stays() {
    let failed = with_verdict(Gate::Latency, Verdict::Fail);
    let back = |in_force, good| {
        let stand = Ramp { good, ..ramp(10_000, in_force, Mode::Automatic) };
        let step = stand.decide(&failed, later(4));
        assert!(matches!(step, Move::RollBack { because: Gate::Latency, .. }), "{step:?}");
        let stand = stand.after(step, later(4));
        (stand.in_force().basis_points(), stand)
    };
    assert_eq!(back(10_000, Phase::Fifty).0, 5_000);
    assert_eq!(back(10_000, Phase::Ten).0, 1_000);
    assert_eq!(back(2_500, Phase::Ten).0, 1_000);
    assert_eq!(back(1_000, Phase::Ten).0, 0, "what fails is good no longer");
    assert_eq!(back(500, Phase::Off).0, 0);
    let (_, stand) = back(5_000, Phase::Ten);
    // What was seen at 50 % says nothing of 10 %.
    assert_eq!(stand.decide(&failed, later(5)), Move::Hold { why: Why::Stale });
    let well = Report { since: later(4), ..healthy() };
    assert_eq!(stand.decide(&well, later(9)), Move::Ready { next: Phase::Fifty });
    let freed = Ramp { rolled_back: false, ..stand };
    assert_eq!(freed.decide(&well, later(9)), Move::Raise { next: Phase::Fifty });
}

#[test]
fn a_waived_gate_does_not_count_until_the_waiver_ends() {
    let waiver = Waiver::new(Gate::Quality, " few ratings ", "ops", later(1), later(6)).unwrap();
    let evidence = Evidence { ratings: Vec::new(), ..good_evidence() };
    let at = |days| {
        let report =
            judge(&evidence, &Rules::default(), std::slice::from_ref(&waiver), later(days));
        ramp(1_000, 10_000, Mode::Manual).decide(&report, later(days))
    };
    let why = Why::Gate { gate: Gate::Quality, verdict: Verdict::NoData };
    assert_eq!(at(5), Move::Ready { next: Phase::Fifty });
    assert_eq!(at(6), Move::Hold { why });
    let mut failed = with_verdict(Gate::Quality, Verdict::Fail);
    failed.findings[3].waived = Some(waiver);
    let step = ramp(1_000, 10_000, Mode::Manual).decide(&failed, later(4));
    assert_eq!(step, Move::Ready { next: Phase::Fifty });
}

#[test]
fn a_waiver_says_why_and_ends() {
    let waiver = |reason, until| Waiver::new(Gate::Cost, reason, "ops", start(), until);
    assert_eq!(waiver(" ", later(1)), Err(WaiverError::Reason));
    assert_eq!(waiver("sale", start()), Err(WaiverError::Expiry));
    assert_eq!(waiver("sale", later(31)), Err(WaiverError::Expiry));
    assert!(waiver("sale", later(30)).unwrap().holds(later(29)));
    assert!(!waiver("sale", later(30)).unwrap().holds(later(30)));
}

#[test]
fn a_broken_split_and_a_gate_not_asked_hold_it() {
    let stand = ramp(1_000, 10_000, Mode::Manual);
    let mut report = healthy();
    report.findings.remove(0);
    let why = Why::Gate { gate: Gate::Cost, verdict: Verdict::NoData };
    assert_eq!(stand.decide(&report, later(4)), Move::Hold { why });
    for verdict in Verdict::ALL.into_iter().filter(|verdict| *verdict != Verdict::Pass) {
        let mut report = healthy();
        report.split.as_mut().unwrap().verdict = verdict;
        assert_eq!(stand.decide(&report, later(4)), Move::Hold { why: Why::Split { verdict } });
    }
}

#[test]
fn evidence_begins_anew_with_each_period() {
    let stand = ramp(10_000, 10_000, Mode::Manual);
    assert_eq!(stand.evidence_since(later(27)), later(0));
    assert_eq!(stand.evidence_since(later(28)), later(28));
    assert_eq!(stand.evidence_since(later(90)), later(84));
}

fn any_report() -> impl Strategy<Value = Report> {
    let finding = (any_verdict(), prop::bool::weighted(0.2));
    let findings = prop::array::uniform5(finding);
    (findings, any_verdict(), 0..3_000u64).prop_map(|(findings, split, images)| {
        let mut report = Report { images, ..healthy() };
        for (finding, (verdict, waived)) in report.findings.iter_mut().zip(findings) {
            finding.figures.verdict = verdict;
            let waiver = Waiver::new(finding.gate, "known", "ops", start(), later(20));
            finding.waived = waiver.ok().filter(|_| waived);
        }
        report.split.as_mut().unwrap().verdict = split;
        report
    })
}

fn any_ramp() -> impl Strategy<Value = Ramp> {
    let points = || prop_oneof![0..=10_000u16, prop::sample::select(&[0, 1_000, 5_000][..])];
    (points(), points(), prop::sample::select(&Phase::ALL[..]), any::<(bool, bool)>()).prop_map(
        |(traffic, ceiling, good, (rolled_back, automatic))| {
            let mode = if automatic { Mode::Automatic } else { Mode::Manual };
            Ramp { good, rolled_back, ..ramp(traffic, ceiling, mode) }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_decision_is_safe(stand in any_ramp(), report in any_report(), days in 0..20i64) {
        let step = stand.decide(&report, later(days));
        let next = stand.after(step, later(days));
        prop_assert!(next.in_force() <= stand.traffic, "ops' lower percentage always wins");
        prop_assert_eq!(next.traffic, stand.traffic, "and is theirs alone");
        let fails = report.findings.iter().any(Finding::fails);
        let blocked = report.findings.iter().any(Finding::blocks);
        match step {
            Move::Raise { next: phase } => {
                prop_assert!(!blocked && stand.mode == Mode::Automatic && !stand.rolled_back);
                prop_assert!(next.in_force() > stand.in_force() && next.ceiling == phase.percent());
                prop_assert_eq!(Phase::at(stand.in_force()).next(), Some(phase), "one at a time");
            }
            Move::Ready { .. } => prop_assert!(!blocked && next.ceiling == stand.ceiling),
            Move::RollBack { to, .. } => {
                prop_assert!(fails && to <= stand.good && next.in_force() < stand.in_force());
                let between = |phase: &Phase| {
                    *phase > to && *phase <= stand.good && phase.percent() < stand.in_force()
                };
                prop_assert!(!Phase::ALL.iter().any(between), "the last good one");
            }
            Move::Hold { .. } => {
                prop_assert_eq!(next, stand);
                prop_assert!(!fails || stand.in_force() == Percent::ZERO, "no fault is slept over");
            }
        }
    }

    #[test]
    fn a_verdict_that_is_no_pass_never_raises(
        stand in any_ramp(), gate in prop::sample::select(&Gate::ALL[..]), verdict in any_verdict(),
    ) {
        prop_assume!(verdict != Verdict::Pass);
        let step = stand.decide(&with_verdict(gate, verdict), later(4));
        let up = matches!(step, Move::Raise { .. } | Move::Ready { .. });
        prop_assert!(!up, "{:?}", step);
    }
}

#[test]
fn verdicts_are_ordered_from_good_to_bad() {
    let mut sorted = Verdict::ALL;
    sorted.sort();
    assert_eq!(sorted.map(Verdict::as_str), ["PASS", "INCONCLUSIVE", "NO_DATA", "FAIL"]);
}
