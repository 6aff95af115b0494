//! What the gates do to providers whose quality is known: streams of made-up outcomes, looked at every
//! 20 images as the rollout would, beside what a naive look at the same numbers would do.
//!
//! The small run is part of the tests. The one in `docs/gates.md` has 10,000 streams a case:
//! `cargo test --release -p tryon-core --all-features --test gates -- --ignored --nocapture`.

use std::{f64::consts::TAU, ops::Range, panic::resume_unwind, thread};

use chrono::{DateTime, TimeDelta};
use tryon_core::{
    catalogue::Quality,
    gates::{
        BudgetDays, Evidence, Finding, Gate, Mode, Move, Phase, Ramp, Ratings, Rules, Slice, Stars,
        Users, Verdict, judge,
    },
    money::Micros,
    routing::Percent,
};

/// Images, or ratings, between two looks.
const LOOK: u64 = 20;
/// Images of an hour at 10 %.
const HOUR: u64 = 40;
const IMAGES: u64 = 2_500;
const RATINGS: u64 = 1_000;

/// How a provider is in truth.
#[derive(Clone, Copy)]
struct Provider {
    fails: f64,
    p95: f64,
    /// Dollars an image.
    cost: f64,
    /// From this image on it fails so often instead.
    turn: Option<(u64, f64)>,
    /// So many images fail or succeed together.
    together: u64,
    /// So many images share a batch.
    batch: u64,
}

const GOOD: Provider =
    Provider { fails: 0.02, p95: 45.0, cost: 0.0397, turn: None, together: 1, batch: 1 };

const CASES: [(&str, Provider); 12] = [
    ("good: 2 % fail, P95 45 s, $0.04", GOOD),
    ("3 % fail", Provider { fails: 0.03, ..GOOD }),
    ("5 % fail", Provider { fails: 0.05, ..GOOD }),
    ("8 % fail", Provider { fails: 0.08, ..GOOD }),
    ("25 % fail", Provider { fails: 0.25, ..GOOD }),
    ("8 % fail from image 1,500 on", Provider { turn: Some((1_500, 0.08)), ..GOOD }),
    ("2 % fail, whole batches of 20", Provider { together: 20, batch: 20, ..GOOD }),
    ("8 % fail, whole batches of 3", Provider { fails: 0.08, together: 3, batch: 3, ..GOOD }),
    ("8 % fail, in batches of 3", Provider { fails: 0.08, batch: 3, ..GOOD }),
    ("8 % fail, in batches of 20", Provider { fails: 0.08, batch: 20, ..GOOD }),
    ("P95 75 s", Provider { p95: 75.0, ..GOOD }),
    ("$0.06 an image", Provider { cost: 0.06, ..GOOD }),
];

/// Shares of 1 to 5 stars, and their mean over that of the legacy route, which has those of `LIKED`.
const LIKED: [f64; 5] = [0.02, 0.04, 0.12, 0.32, 0.5];
const TASTES: [(&str, [f64; 5]); 3] = [
    ("as good", LIKED),
    ("at the limit: 0.90", [0.05, 0.095, 0.195, 0.309, 0.351]),
    ("worse: 0.80", [0.1, 0.14, 0.25, 0.288, 0.222]),
];

/// `SplitMix64`: a stream of its own for each seed.
struct Dice(u64);

impl Dice {
    fn new(case: usize, stream: u64) -> Self {
        Self((case as u64) << 32 | stream)
    }

    /// From 0 to 1, the latter excluded.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Seconds of a log-normal distribution with a median of 20 and this 95th percentile.
    fn seconds(&mut self, p95: f64) -> f64 {
        let normal = (-2.0 * (1.0 - self.roll()).ln()).sqrt() * (TAU * self.roll()).cos();
        20.0 * (normal * (p95 / 20.0).ln() / 1.644_85).exp()
    }

    fn stars(&mut self, shares: &[f64; 5]) -> usize {
        let mut left = self.roll();
        let star = shares.iter().position(|share| {
            left -= share;
            left < 0.0
        });
        star.unwrap_or(4)
    }
}

/// When a stream was first rolled back, by image, and how it stood at 500.
#[derive(Clone, Copy, Default)]
struct Run {
    ours: Option<u64>,
    /// An observed value above its limit.
    naive: Option<u64>,
    /// A test for failures above 3 % with an error of 1 %, made for one look.
    one_look: Option<u64>,
    passed: bool,
}

fn run(provider: &Provider, dice: &mut Dice) -> Run {
    let (start, mut run) = (DateTime::UNIX_EPOCH, Run::default());
    let mut evidence = Evidence {
        since: start,
        slices: Vec::new(),
        legacy: Slice::default(),
        ratings: Vec::new(),
        users: Users { percent: Phase::Ten.percent(), gemini: 0, legacy: 0 },
        budget: BudgetDays { days: 1, open: 0 },
    };
    let stand = Ramp {
        traffic: Percent::FULL,
        ceiling: Phase::Ten.percent(),
        since: start,
        good: Phase::Off,
        rolled_back: false,
        mode: Mode::Automatic,
    };
    let (mut failed, mut cost, mut seconds) = (0, 0.0, Vec::new());
    let (mut fails, mut lost) = (false, 0);
    for image in 1..=IMAGES {
        if image % HOUR == 1 {
            evidence.slices.push(Slice::default());
        }
        if (image - 1).is_multiple_of(provider.together) {
            let turned = provider.turn.filter(|(from, _)| image > *from);
            fails = dice.roll() < turned.map_or(provider.fails, |(_, share)| share);
        }
        let took = dice.seconds(provider.p95);
        // A failed one was paid for at a fallback.
        let paid = if fails { 0.012 } else { provider.cost * (0.9 + 0.2 * dice.roll()) };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few cents")]
        let micros = Micros::new((paid * 1e6) as u64);
        if let Some(slice) = evidence.slices.last_mut() {
            lost += u64::from(fails);
            if image.is_multiple_of(provider.batch) {
                slice.failures.add(std::mem::take(&mut lost), provider.batch);
            }
            slice.delays[0].add(took / 60.0);
            slice.costs.add(micros, !fails);
        }
        failed += u64::from(fails);
        cost += paid;
        seconds.push(took);
        if image % LOOK > 0 {
            continue;
        }
        let now = start + TimeDelta::seconds(i64::try_from(image).unwrap_or_default());
        if run.ours.is_none() {
            let report = judge(&evidence, &Rules::default(), &[], now);
            if matches!(stand.decide(&report, now), Move::RollBack { .. }) {
                run.ours = Some(image);
            }
            let of_images = [Gate::Cost, Gate::Latency, Gate::Failures];
            let passed = |finding: &Finding| finding.figures.verdict == Verdict::Pass;
            let mut asked = report.findings.iter().filter(|f| of_images.contains(&f.gate));
            run.passed |= image == 500 && asked.all(passed);
        }
        if run.naive.is_none() {
            let late = seconds.iter().filter(|seconds| **seconds >= 60.0).count();
            let bad = failed * 20 >= image
                || late as u64 * 20 >= image
                || cost / (image - failed) as f64 >= 0.05;
            run.naive = bad.then_some(image);
        }
        if run.one_look.is_none() && tail(image, failed, 0.03) < 0.01 {
            run.one_look = Some(image);
        }
        if run.ours.is_some() && run.naive.is_some() && run.one_look.is_some() {
            break;
        }
    }
    run
}

/// The chance of `hits` or more of `count`.
fn tail(count: u64, hits: u64, rate: f64) -> f64 {
    let mut of_exactly = (count as f64 * (1.0 - rate).ln()).exp();
    let mut below = 0.0;
    for n in 0..hits {
        below += of_exactly;
        of_exactly *= (count - n) as f64 / (n + 1) as f64 * rate / (1.0 - rate);
    }
    1.0 - below
}

/// The first ratings after which parity passes or fails, both routes being rated alike often.
#[derive(Clone, Copy, Default)]
struct Taste {
    failed: Option<u64>,
    passed: Option<u64>,
    naive: Option<u64>,
}

fn taste(gemini: &[f64; 5], dice: &mut Dice) -> Taste {
    let mut cell = Ratings {
        quality: Quality::Sd,
        category: "dress".to_owned(),
        gemini: Stars::default(),
        legacy: Stars::default(),
    };
    let mut taste = Taste::default();
    for rating in 1..=RATINGS {
        cell.gemini.0[dice.stars(gemini)] += 1;
        cell.legacy.0[dice.stars(&LIKED)] += 1;
        if rating % LOOK > 0 {
            continue;
        }
        let evidence = Evidence {
            since: DateTime::UNIX_EPOCH,
            slices: Vec::new(),
            legacy: Slice::default(),
            ratings: vec![cell.clone()],
            users: Users { percent: Percent::FULL, gemini: 0, legacy: 0 },
            budget: BudgetDays::default(),
        };
        let report = judge(&evidence, &Rules::default(), &[], DateTime::UNIX_EPOCH);
        let asked = report.findings.iter().find(|finding| finding.gate == Gate::Quality);
        let figures = asked.map(|finding| finding.figures);
        match figures.map(|figures| figures.verdict) {
            Some(Verdict::Fail) => taste.failed = taste.failed.or(Some(rating)),
            Some(Verdict::Pass) => taste.passed = taste.passed.or(Some(rating)),
            _ => {}
        }
        if figures.and_then(|figures| figures.estimate).is_some_and(|parity| parity < 0.9) {
            taste.naive = taste.naive.or(Some(rating));
        }
        if taste.failed.or(taste.passed).is_some() && taste.naive.is_some() {
            break;
        }
    }
    taste
}

/// All streams of a case, on both halves of the machine.
fn streams<T: Send>(count: u64, one: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let one = &one;
    let half = |range: Range<u64>| move || range.map(one).collect::<Vec<T>>();
    thread::scope(|scope| {
        let first = scope.spawn(half(0..count / 2));
        let second = half(count / 2..count)();
        let first = first.join().unwrap_or_else(|panic| resume_unwind(panic));
        first.into_iter().chain(second).collect()
    })
}

fn runs(case: usize, count: u64) -> Vec<Run> {
    streams(count, |stream| run(&CASES[case].1, &mut Dice::new(case, stream)))
}

fn tastes(case: usize, count: u64) -> Vec<Taste> {
    streams(count, |stream| taste(&TASTES[case].1, &mut Dice::new(100 + case, stream)))
}

/// How many of all, in percent, and after how many images in the median.
fn seen<T>(all: &[T], when: impl Fn(&T) -> Option<u64>) -> (f64, Option<u64>) {
    let mut found: Vec<u64> = all.iter().filter_map(when).collect();
    found.sort_unstable();
    (found.len() as f64 * 100.0 / all.len() as f64, found.get(found.len() / 2).copied())
}

fn shown((percent, median): (f64, Option<u64>)) -> String {
    let median = median.filter(|_| percent >= 50.0).map_or("-".to_owned(), |n| n.to_string());
    format!("{percent:.2} % | {median}")
}

#[test]
fn a_good_provider_stays_and_a_bad_one_is_caught() {
    let (good, bad) = (runs(0, 60), runs(3, 200));
    let kept = seen(&good, |run| run.ours).0;
    assert!(kept <= 1.0, "{kept} % of the good are rolled back");
    let alarms = seen(&good, |run| run.naive).0;
    assert!(alarms > 30.0, "the naive look is what this is for: {alarms} %");
    let (caught, median) = seen(&bad, |run| run.ours);
    assert!(caught > 99.0, "{caught} % of the bad are caught");
    assert!(median.is_some_and(|median| median <= 200), "{median:?}");
    let passed = good.iter().filter(|run| run.passed).count();
    assert!(passed > 30, "{passed} of the good pass at 500");
    assert!(!bad.iter().any(|run| run.passed));
}

#[test]
fn what_fails_together_is_one_failure() {
    let (lost, each) = (runs(6, 100), runs(8, 100));
    let kept = seen(&lost, |run| run.ours).0;
    assert!(kept <= 1.0, "{kept} % of those that lose 2 % of their batches are rolled back");
    let (caught, median) = seen(&each, |run| run.ours);
    assert!(caught > 99.0 && median.is_some_and(|median| median <= 500), "{caught} {median:?}");
}

#[test]
fn ratings_decide_within_some_hundreds() {
    let (alike, worse) = (tastes(0, 20), tastes(2, 20));
    assert!(alike.iter().all(|taste| taste.failed.is_none()));
    assert!(seen(&alike, |taste| taste.passed).1.is_some_and(|median| median <= 300));
    assert!(seen(&worse, |taste| taste.failed).1.is_some_and(|median| median <= 800));
    assert!(worse.iter().all(|taste| taste.passed.is_none()));
}

#[test]
#[ignore = "minutes: prints a table of docs/gates.md"]
fn ten_thousand_streams_of_images() {
    for (case, (name, _)) in CASES.iter().enumerate() {
        let all = runs(case, 10_000);
        let passed = all.iter().filter(|run| run.passed).count() as f64 / all.len() as f64;
        println!(
            "| {name} | {} | {:.1} % | {} | {} |",
            shown(seen(&all, |run| run.ours)),
            passed * 100.0,
            shown(seen(&all, |run| run.naive)),
            shown(seen(&all, |run| run.one_look)),
        );
    }
}

#[test]
#[ignore = "minutes: prints a table of docs/gates.md"]
fn ten_thousand_streams_of_ratings() {
    for (case, (name, _)) in TASTES.iter().enumerate() {
        let all = tastes(case, 10_000);
        println!(
            "| {name} | {} | {} | {} |",
            shown(seen(&all, |taste| taste.failed)),
            shown(seen(&all, |taste| taste.passed)),
            shown(seen(&all, |taste| taste.naive)),
        );
    }
}
