use proptest::prelude::*;

use super::*;
use crate::money::Micros;

fn with(slices: Vec<Slice>) -> Evidence {
    Evidence { slices, ..good_evidence() }
}

#[test]
fn a_good_provider_passes_every_gate() {
    for finding in ask(&good_evidence()).findings {
        assert_eq!(finding.figures.verdict, Verdict::Pass, "{finding:?}");
    }
}

#[test]
fn nothing_seen_is_no_data() {
    let nothing = Evidence {
        slices: Vec::new(),
        ratings: Vec::new(),
        users: Users { percent: Phase::Ten.percent(), gemini: 0, legacy: 0 },
        budget: BudgetDays::default(),
        ..good_evidence()
    };
    let empty = Evidence { slices: vec![Slice::default()], ..nothing.clone() };
    for evidence in [nothing, empty] {
        let report = ask(&evidence);
        for finding in &report.findings {
            assert_eq!(finding.figures.verdict, Verdict::NoData, "{finding:?}");
            assert_eq!(finding.eta, None);
        }
        assert_eq!(report.split.unwrap().verdict, Verdict::NoData);
    }
}

#[test]
fn each_fault_fails_its_own_gate() {
    let bad = |slice: Slice| with(vec![slice; 5]);
    let failed = |evidence: &Evidence| -> Vec<Gate> {
        let failed = ask(evidence).findings.into_iter().filter(Finding::fails);
        failed.map(|finding| finding.gate).collect()
    };
    assert_eq!(failed(&bad(slice(100, 12, 2, 39_000))), [Gate::Failures]);
    assert_eq!(failed(&bad(slice(100, 2, 12, 39_000))), [Gate::Latency]);
    assert_eq!(failed(&bad(slice(100, 2, 2, 90_000))), [Gate::Cost]);
    let unloved = ratings("dress", [125, 80, 30, 10, 5], [5, 10, 30, 80, 125]);
    assert_eq!(failed(&Evidence { ratings: vec![unloved], ..good_evidence() }), [Gate::Quality]);
    let spent = BudgetDays { days: 4, open: 1 };
    assert_eq!(failed(&Evidence { budget: spent, ..good_evidence() }), [Gate::Budget]);
}

#[test]
fn failures_pass_by_their_upper_bound_and_tell_how_many_more_they_need() {
    let at = |count, hits| {
        let slices = vec![Slice { failures: Rate::of(count, hits), ..Slice::default() }];
        finding(&ask(&with(slices)), Gate::Failures)
    };
    let passed = at(500, 10);
    assert_eq!(passed.figures.verdict, Verdict::Pass);
    assert!(passed.figures.interval.unwrap().high.unwrap() < 0.05);
    let early = at(200, 4);
    assert_eq!(early.figures.verdict, Verdict::Inconclusive);
    let needed = early.figures.needed.unwrap();
    assert!((300..500).contains(&needed), "{needed}");
    // 200 in four days; the rest at that pace.
    let more = (early.eta.unwrap() - later(4)).as_seconds_f64() / 4.0 / 86_400.0;
    assert!((more - (needed - 200) as f64 / 200.0).abs() < 1e-4, "{more}");
    assert_eq!(at(needed, needed / 50).figures.verdict, Verdict::Pass);
    // Above the limit more of the same does not help.
    let hopeless = at(200, 11);
    assert_eq!((hopeless.figures.verdict, hopeless.figures.needed), (Verdict::Inconclusive, None));
}

#[test]
fn a_lost_batch_is_one_observation() {
    // So many of a hundred batches of 20 are lost.
    let batches = |lost: u64| {
        let mut slice = Slice::default();
        for batch in 0..100 {
            slice.images += 20;
            slice.failures.add(if batch < lost { 20 } else { 0 }, 20);
        }
        finding(&ask(&with(vec![slice])), Gate::Failures).figures
    };
    let eight = batches(8);
    assert_eq!(
        (eight.verdict, eight.count, eight.estimate),
        (Verdict::Inconclusive, 100, Some(0.08))
    );
    let alone = vec![Slice { failures: Rate::of(2_000, 160), ..Slice::default() }];
    assert_eq!(verdict(&with(alone), Gate::Failures), Verdict::Fail);
    assert_eq!(batches(0).verdict, Verdict::Pass);
    assert_eq!(batches(15).verdict, Verdict::Fail);
}

#[test]
fn who_turns_bad_late_is_found_all_the_same() {
    let mut slices = vec![slice(100, 2, 2, 39_000); 100];
    assert_eq!(verdict(&with(slices.clone()), Gate::Failures), Verdict::Pass);
    slices.extend(vec![slice(100, 8, 2, 39_000); 6]);
    assert_eq!(verdict(&with(slices.clone()), Gate::Failures), Verdict::Fail);
    let together = slices.iter().fold(Rate::default(), |mut sum, slice| {
        sum += slice.failures;
        sum
    });
    let one = vec![Slice { failures: together, ..Slice::default() }];
    assert_eq!(verdict(&with(one), Gate::Failures), Verdict::Pass, "all in one it drowns");
}

#[test]
fn latency_is_told_in_seconds_and_by_its_worst_class() {
    let online = finding(&ask(&good_evidence()), Gate::Latency);
    assert_eq!(online.group.as_deref(), Some("online"));
    assert!((18.0..24.0).contains(&online.figures.estimate.unwrap()), "{online:?}");
    assert_eq!(online.figures.interval.unwrap().high, Some(24.0));
    let mut slow = good_evidence();
    for n in 0..100 {
        slow.slices[0].delays[1].add(if n < 60 { 1.5 } else { 0.5 });
    }
    let large = finding(&ask(&slow), Gate::Latency);
    assert_eq!((large.group.as_deref(), large.figures.limit), (Some("online_large"), 300.0));
    assert_eq!(large.figures.verdict, Verdict::Fail);
    // A few unhurried ones are not waited for, and do not pass alone.
    let mut few = good_evidence();
    few.slices[0].delays[2].add(0.1);
    assert_eq!(verdict(&few, Gate::Latency), Verdict::Pass);
    few.slices.iter_mut().for_each(|slice| slice.delays[0] = Delays::default());
    let alone = finding(&ask(&few), Gate::Latency);
    assert_eq!((alone.figures.verdict, alone.figures.count), (Verdict::Inconclusive, 1));
}

#[test]
fn a_percentile_lies_where_five_of_a_hundred_lie_beyond() {
    let mut delays = Delays::default();
    (0..100).for_each(|n| delays.add(f64::from(n) / 100.0));
    assert!((delays.p95().unwrap() - 0.95).abs() < 1e-9);
    assert_eq!(delays.late(), Rate::of(100, 0));
    delays.add(1.0);
    assert_eq!(delays.late(), Rate::of(101, 1), "60 s are not less than 60 s");
}

#[test]
fn the_worst_group_with_enough_ratings_decides() {
    let even = [5, 10, 30, 80, 125];
    let dress = vec![ratings("dress", even.map(|count| 4 * count), even.map(|count| 4 * count))];
    let mut evidence = Evidence { ratings: dress, ..good_evidence() };
    evidence.ratings.push(ratings("hat", [2, 2, 2, 1, 1], [0; 5]));
    assert_eq!(verdict(&evidence, Gate::Quality), Verdict::Pass, "8 ratings say nothing yet");
    evidence.ratings.push(ratings("shoes", [60, 40, 20, 10, 5], even));
    let shoes = finding(&ask(&evidence), Gate::Quality);
    assert_eq!((shoes.group.as_deref(), shoes.figures.verdict), (Some("shoes"), Verdict::Fail));
    let few = vec![ratings("dress", [0, 0, 1, 4, 5], even)];
    let few = finding(&ask(&Evidence { ratings: few, ..good_evidence() }), Gate::Quality);
    assert_eq!(few.figures.verdict, Verdict::Inconclusive);
    assert!(few.figures.needed.unwrap() >= 50 && few.eta.is_some());
}

#[test]
fn a_broken_split_is_seen() {
    let split = |gemini, legacy| {
        let users = Users { percent: Phase::Ten.percent(), gemini, legacy };
        ask(&Evidence { users, ..good_evidence() }).split.unwrap().verdict
    };
    assert_eq!(split(500, 4_500), Verdict::Pass);
    assert_eq!(split(400, 4_600), Verdict::Fail);
    assert_eq!(split(620, 4_380), Verdict::Fail);
    assert_eq!(split(5, 45), Verdict::Inconclusive);
    let full = Users { percent: Phase::Full.percent(), gemini: 10, legacy: 90 };
    assert_eq!(ask(&Evidence { users: full, ..good_evidence() }).split, None);
}

#[test]
fn a_failed_render_is_paid_by_the_others() {
    let mut costs = Costs::default();
    (0..100).for_each(|n| costs.add(Micros::new(40_000), n % 2 == 0));
    assert_eq!(costs.an_image(), Some(0.08));
    let slices = vec![Slice { costs, ..Slice::default() }; 3];
    assert_eq!(verdict(&with(slices), Gate::Cost), Verdict::Fail);
}

#[test]
fn a_report_fits_a_parameter_and_reads_back() {
    let mut evidence = good_evidence();
    evidence.ratings.push(ratings(&"x".repeat(40), [60, 40, 20, 10, 5], [5, 10, 30, 80, 125]));
    let waiver = |gate| Waiver::new(gate, &"why ".repeat(10), "ops", start(), later(9)).unwrap();
    let waivers = Gate::ALL.map(waiver);
    let report = judge(&evidence, &Rules::default(), &waivers, later(4));
    let text = serde_json::to_string(&report).unwrap();
    assert!(text.len() < 3_500, "{} bytes", text.len());
    assert!(text.contains(r#""verdict":"FAIL""#) && text.contains(r#""gate":"quality""#));
    let back: Report = serde_json::from_str(&text).unwrap();
    assert_eq!((back.findings.len(), back.images), (5, 3_000));
}

fn slices() -> impl Strategy<Value = Vec<Rate>> {
    let slice = (0..200u64).prop_flat_map(|count| (Just(count), 0..=count / 4));
    prop::collection::vec(slice.prop_map(|(count, hits)| Rate::of(count, hits)), 1..12)
}

/// Quicker to judge.
fn unrated(slices: Vec<Slice>) -> Evidence {
    Evidence { ratings: Vec::new(), ..with(slices) }
}

fn of_failures(rates: &[Rate]) -> Evidence {
    let slice = |failures: &Rate| Slice { failures: *failures, ..Slice::default() };
    unrated(rates.iter().map(slice).collect())
}

fn of_delays(rates: &[Rate]) -> Evidence {
    let slices = rates.iter().map(|rate| {
        let mut slice = Slice::default();
        slice.delays[0].counts[3] = rate.count - rate.hits;
        slice.delays[0].counts[12] = rate.hits;
        slice
    });
    unrated(slices.collect())
}

proptest! {
    #[test]
    fn more_failures_never_make_it_better(
        rates in slices(), place: prop::sample::Index, more in 1..20u64, turned: bool,
    ) {
        prop_assume!(rates.iter().any(|rate| rate.count > 0.0));
        let mut worse = rates.clone();
        let rate = &mut worse[place.index(rates.len())];
        if turned {
            rate.hits = rate.count.min(rate.hits + more as f64);
        } else {
            *rate += Rate::of(more, more);
        }
        let failures = |rates| verdict(&of_failures(rates), Gate::Failures);
        let delays = |rates| verdict(&of_delays(rates), Gate::Latency);
        prop_assert!(failures(&worse) >= failures(&rates));
        // A class comes to count with its hundredth image.
        let enough = |rates: &[Rate]| rates.iter().map(|rate| rate.count).sum::<f64>() >= 100.0;
        if enough(&rates) {
            prop_assert!(delays(&worse) >= delays(&rates));
        }
    }

    #[test]
    fn what_fails_is_above_the_limit_and_what_passes_is_bounded_by_it(rates in slices()) {
        let figures = finding(&ask(&of_failures(&rates)), Gate::Failures).figures;
        match figures.verdict {
            Verdict::Fail if rates.len() == 1 => prop_assert!(figures.estimate.unwrap() > 0.05),
            Verdict::Pass => prop_assert!(figures.interval.unwrap().high.unwrap() < 0.05 + 1e-6),
            Verdict::NoData => prop_assert_eq!(figures.count, 0),
            Verdict::Fail | Verdict::Inconclusive => {}
        }
    }

    #[test]
    fn dearer_images_never_turn_fail_to_pass(
        costs in prop::collection::vec((20_000..200_000u64, prop::bool::weighted(0.95)), 20..300),
        more in 0..300_000u64,
    ) {
        let judged = |more| {
            let mut sums = Costs::default();
            for (cost, image) in &costs {
                sums.add(Micros::new(cost + more), *image);
            }
            verdict(&unrated(vec![Slice { costs: sums, ..Slice::default() }]), Gate::Cost)
        };
        prop_assert!(judged(0) != Verdict::Fail || judged(more) != Verdict::Pass);
        prop_assert!(judged(more) != Verdict::Pass || judged(0) != Verdict::Fail);
    }
}

proptest! {
    // Each asks for some hundred bounds.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn lower_ratings_never_turn_fail_to_pass(gemini: [u8; 5], legacy: [u8; 5]) {
        let judged = |gemini: [u64; 5]| {
            let ratings = vec![ratings("dress", gemini, legacy.map(u64::from))];
            verdict(&Evidence { ratings, ..good_evidence() }, Gate::Quality)
        };
        let mut lower = gemini.map(u64::from);
        lower[0] += lower[4];
        lower[4] = 0;
        prop_assert!(judged(lower) >= judged(gemini.map(u64::from)));
    }
}
