//! Decisions of ops.

use chrono::DateTime;
use proptest::prelude::*;

use super::*;
use crate::{
    contract::fixtures::{order, render},
    gates::{Figures, Finding, Gate, Mode, Verdict},
    routing::Percent,
    settings::Settings,
};

fn percent(points: u16) -> Percent {
    Percent::from_basis_points(points).unwrap()
}

fn finding(gate: Gate, verdict: Verdict) -> Finding {
    let figures =
        Figures { verdict, estimate: None, interval: None, limit: 0.05, count: 0, needed: None };
    Finding { gate, figures, group: None, legacy: None, eta: None, waived: None }
}

fn standing(traffic: u16, ceiling: u16, rollout: Option<&RolloutStatus>) -> Standing {
    let settings = Settings {
        enable_gemini_batch: true,
        traffic_percent: percent(traffic),
        traffic_ceiling: percent(ceiling),
        ..Settings::default()
    };
    Standing::of(&settings, rollout)
}

fn any_rollout() -> impl Strategy<Value = Option<RolloutStatus>> {
    let verdicts = prop::sample::select(Verdict::ALL.to_vec());
    let rollout =
        (verdicts, any::<bool>(), any::<bool>()).prop_map(|(verdict, back, by_itself)| {
            RolloutStatus {
                findings: vec![finding(Gate::Failures, verdict)],
                rolled_back: back,
                mode: if by_itself { Mode::Automatic } else { Mode::Manual },
                ..RolloutStatus::default()
            }
        });
    prop::option::of(rollout)
}

proptest! {
    #[test]
    fn less_is_always_possible(
        traffic in 0..=10_000_u16, ceiling in 0..=10_000_u16, to in 0..=10_000_u16,
        rollout in any_rollout(),
    ) {
        let standing = standing(traffic, ceiling, rollout.as_ref());
        let wish = Wish { percent: percent(to.min(traffic).min(ceiling)), reason: None, force: false };
        let change = standing.decide(&wish).unwrap();
        prop_assert_eq!((change.to, change.ceiling), (wish.percent, None));
    }

    #[test]
    fn more_takes_no_failing_gate_or_a_reason(
        traffic in 0..=10_000_u16, ceiling in 0..=10_000_u16, to in 0..=10_000_u16,
        rollout in any_rollout(), force in any::<bool>(), says_why in any::<bool>(),
    ) {
        let standing = standing(traffic, ceiling, rollout.as_ref());
        let reason = says_why.then(|| " a sale ".to_owned());
        let wish = Wish { percent: percent(to), reason, force };
        let raises = wish.percent > standing.in_force;
        let fails = raises && !standing.failing.is_empty();
        let lifts = wish.percent > standing.traffic_ceiling;
        match standing.decide(&wish) {
            Err(Refusal::Gate(gates)) => {
                prop_assert!(fails && !force);
                prop_assert_eq!(gates, vec![Gate::Failures]);
            }
            Err(Refusal::Reason) => {
                prop_assert!(!says_why && (fails && force || lifts && standing.rolled_back));
            }
            Ok(change) => {
                prop_assert!(!fails || force && says_why);
                prop_assert!(!(lifts && standing.rolled_back) || says_why);
                // What is in force then is what was asked for, or the rollout is on its way there.
                let ceiling = change.ceiling.map_or(standing.traffic_ceiling, |(_, to)| to);
                let by_itself = standing.mode == Mode::Automatic && !standing.rolled_back;
                prop_assert!(change.to.min(ceiling) == wish.percent || by_itself);
                prop_assert!(change.ceiling.is_none_or(|(_, to)| to <= wish.percent));
            }
        }
    }
}

#[test]
fn by_itself_it_begins_with_the_first_phase() {
    let rollout = RolloutStatus { mode: Mode::Automatic, ..RolloutStatus::default() };
    let full = Wish { percent: Percent::FULL, reason: None, force: false };
    for ceiling in [0, 10_000] {
        let change = standing(0, ceiling, Some(&rollout)).decide(&full).unwrap();
        assert_eq!(change.ceiling, Some((percent(ceiling), percent(1_000))));
        assert_eq!(change.to, Percent::FULL);
    }
    let little = Wish { percent: percent(100), ..full.clone() };
    let change = standing(0, 10_000, Some(&rollout)).decide(&little).unwrap();
    assert_eq!(change.ceiling, Some((Percent::FULL, percent(100))));
    // Ops came as far as 10 % by hand, under an open ceiling.
    let change = standing(1_000, 10_000, Some(&rollout)).decide(&full).unwrap();
    assert_eq!(change.ceiling, Some((Percent::FULL, percent(1_000))));
    // On its way, the ceiling is the rollout's.
    let change = standing(1_000, 1_000, Some(&rollout)).decide(&full).unwrap();
    assert_eq!(change.ceiling, None);
}

#[test]
fn a_roll_back_is_let_go_with_a_reason_alone() {
    let rollout = RolloutStatus { rolled_back: true, ..RolloutStatus::default() };
    let wish = |reason: Option<&str>| {
        let wish =
            Wish { percent: percent(1_000), reason: reason.map(str::to_owned), force: false };
        standing(5_000, 1_000, Some(&rollout)).decide(&wish).unwrap().ceiling
    };
    assert_eq!(wish(Some("it is mended")), Some((percent(1_000), percent(1_000))));
    assert_eq!(wish(None), None);
}

#[test]
fn a_status_of_a_newer_release_is_read_as_far_as_it_is_known() {
    let text = r#"{"findings": [], "rolled_back": true, "mode": "automatic", "next": "50"}"#;
    let status: RolloutStatus = serde_json::from_str(text).unwrap();
    assert!(status.rolled_back && status.more["next"] == "50");
    assert_eq!(serde_json::from_str::<RolloutStatus>("{}").unwrap(), RolloutStatus::default());
}

#[test]
fn nothing_of_a_person_is_left_in_a_blank_request() {
    let mut request = order(&render(1)).request;
    request.prompt = "for alice".to_owned();
    blank(&mut request);
    let text = serde_json::to_string(&request).unwrap();
    for word in ["alice", "person.jpg", "shirt.jpg", "blue"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    assert_eq!(request.pictures().count(), 2);
}

#[test]
fn receipts_add_up() {
    let one = Receipt { renders: 50, photos: 2, more: true, ..Receipt::default() };
    let two = Receipt { at: DateTime::UNIX_EPOCH, renders: 3, photos: 1, ..Receipt::default() };
    let sum = one.and(two);
    assert_eq!((sum.renders, sum.photos, sum.more), (53, 3, false));
}
