//! What each state may become, what it owes, and what is told of it; `model` runs random walks.

use chrono::TimeDelta;

use super::*;
use crate::{
    budget::{LedgerEntry, Movement},
    contract::fixtures::{attempt as draft, start},
    picture::{Mime, PictureRef},
};

mod model;

const BUDGET: Micros = Micros::new(200_000_000);
const PRICES: [Micros; 2] = [Micros::new(34_000), Micros::new(60_000)];

fn at(seconds: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(seconds)
}

fn days(days: i64) -> i64 {
    days * 86_400
}

fn fresh() -> Attempt {
    draft(1, &PRICES)
}

fn claimed() -> Attempt {
    fresh().open(BUDGET, at(0), at(245)).attempt
}

fn sending() -> Attempt {
    claimed().sending(at(1)).unwrap().attempt
}

fn submitted() -> Attempt {
    sending().submitted(JobName::from("batches/1"), at(2)).unwrap().attempt
}

fn held() -> Attempt {
    sending().held(at(10)).unwrap().attempt
}

fn waiting() -> Attempt {
    sending().waiting(at(30), WaitReason::Provider).unwrap().attempt
}

fn settled() -> Attempt {
    submitted().settled(answered(&fresh(), Micros::new(20_000)), at(90)).unwrap().attempt
}

fn unfunded() -> Attempt {
    fresh().never_bought(NeverBought::Unfunded, at(0)).unwrap().attempt
}

/// A picture for each render, at `cost` each.
fn answered(attempt: &Attempt, cost: Micros) -> Vec<RenderOutcome> {
    let picture = PictureRef { key: "out/1.jpg".to_owned(), bytes: 9, mime: Mime::Jpeg };
    let fidelity = crate::chain::Fidelity::Exact;
    let of = |share: &Share| RenderOutcome {
        render_id: share.render_id.clone(),
        outcome: Outcome::Image {
            picture: picture.clone(),
            fidelity,
            size: crate::catalogue::Size::OneK,
        },
        cost,
    };
    attempt.shares.iter().map(of).collect()
}

fn classes(attempt: &Attempt) -> Option<Vec<(FailClass, Micros)>> {
    let class = |outcome: RenderOutcome| match outcome.outcome {
        Outcome::Failed { class } => (class, outcome.cost),
        other => panic!("{other:?}"),
    };
    Some(attempt.outcomes()?.into_iter().map(class).collect())
}

#[test]
fn a_purchase_moves_its_money_once() {
    let total = Micros::new(94_000);
    let movement = |write: AttemptWrite| write.ledger.map(|entry| entry.movement);
    let reserve = Movement::Reserve { amount: total, daily_budget: BUDGET };
    assert_eq!(movement(fresh().open(BUDGET, at(0), at(245))), Some(reserve));
    assert_eq!(movement(claimed().sending(at(1)).unwrap()), None);
    assert_eq!(movement(sending().submitted(JobName::from("j"), at(2)).unwrap()), None);
    assert_eq!(movement(submitted().polled(true, at(7)).unwrap()), None);
    let bill = submitted().settled(answered(&fresh(), Micros::new(20_000)), at(90)).unwrap();
    let settle = Movement::Settle { reserved: total, actual: Micros::new(40_000) };
    assert_eq!(movement(bill), Some(settle));
    assert_eq!(movement(settled().announced().unwrap()), None);
}

#[test]
fn the_first_write_expects_no_row_and_each_later_one_the_row_as_read() {
    let open = fresh().open(BUDGET, at(0), at(245));
    assert_eq!((open.replaces, open.attempt.version), (None, 1));
    let sending = open.attempt.sending(at(1)).unwrap();
    assert_eq!((sending.replaces, sending.attempt.version), (Some(1), 2));
    let deferred = fresh().open_deferred(at(60));
    assert_eq!((deferred.replaces, deferred.attempt.version), (None, 1));
    assert_eq!((deferred.attempt.waits, deferred.ledger), (1, None));
    let unfunded = fresh().never_bought(NeverBought::Unfunded, at(0)).unwrap();
    assert_eq!((unfunded.replaces, unfunded.ledger), (None, None));
}

#[test]
fn a_lost_claim_may_be_taken_over_only_after_its_lease_and_keeps_its_money() {
    assert!(claimed().claim(BUDGET, at(244), at(500)).is_err());
    let taken = claimed().claim(BUDGET, at(245), at(500)).unwrap();
    assert_eq!(taken.ledger, None);
    assert_eq!(taken.attempt.state, AttemptState::Claimed { lease_until: at(500) });
}

#[test]
fn a_wait_gives_the_money_back_and_reserves_anew_on_the_day_it_ends() {
    let write = sending().waiting(at(days(1)), WaitReason::Provider).unwrap();
    let released = Movement::Release { reserved: Micros::new(94_000) };
    assert_eq!(write.ledger.map(|entry| entry.movement), Some(released));
    assert_eq!(write.attempt.waits, 1);
    assert!(write.attempt.clone().claim(BUDGET, at(days(1) - 1), at(days(2))).is_err());

    let again = write.attempt.claim(BUDGET, at(days(1)), at(days(1) + 245)).unwrap();
    let tomorrow = start().date_naive() + TimeDelta::days(1);
    assert_eq!(again.ledger.map(|entry| entry.date), Some(tomorrow));
    // The bill follows its reservation, whenever it comes.
    let bill = again.attempt.settled(answered(&fresh(), Micros::ZERO), at(days(3))).unwrap();
    assert_eq!(bill.ledger.map(|entry| entry.date), Some(tomorrow));
}

#[test]
fn held_money_counts_as_spent_after_seven_days_and_not_before() {
    let since = 10;
    assert!(held().settle_held(at(since + days(7) - 1)).is_err());
    let write = held().settle_held(at(since + days(7))).unwrap();
    let spent = Movement::SettleHeld { held: Micros::new(94_000) };
    let expected = LedgerEntry {
        account: Account::Google,
        date: start().date_naive(),
        movement: spent,
        rescue: None,
    };
    assert_eq!(write.ledger, Some(expected));
    let unknown = FailClass::Unknown;
    assert_eq!(classes(&write.attempt), Some(vec![(unknown, PRICES[0]), (unknown, PRICES[1])]));
}

#[test]
fn a_job_found_late_takes_its_money_back_from_what_is_held() {
    let told = held().announced().unwrap().attempt;
    let write = told.submitted(JobName::from("batches/1"), at(days(2))).unwrap();
    let adopt = Movement::Adopt { held: Micros::new(94_000) };
    assert_eq!(
        write.ledger.map(|entry| (entry.date, entry.movement)),
        Some((start().date_naive(), adopt))
    );
    assert!(!write.attempt.announced, "its real end is still to be told");
}

#[test]
fn polls_are_counted_and_a_job_seen_running_stays_so() {
    let attempt = submitted().polled(true, at(7)).unwrap().attempt;
    let attempt = attempt.polled(false, at(12)).unwrap().attempt;
    let job = JobName::from("batches/1");
    let state = AttemptState::Submitted { job, since: at(2), seq: 2, running: true, fetched: None };
    assert_eq!(attempt.state, state);
}

#[test]
fn what_is_told_of_each_end() {
    assert_eq!(settled().outcomes(), Some(answered(&fresh(), Micros::new(20_000))));
    let all = |class| Some(vec![(class, Micros::ZERO); 2]);
    assert_eq!(classes(&held()), all(FailClass::Unknown));
    assert_eq!(classes(&unfunded()), all(FailClass::Unfunded));
    let expired = waiting().never_bought(NeverBought::Expired, at(40)).unwrap().attempt;
    assert_eq!(classes(&expired), all(FailClass::Expired));
    for running in [claimed(), waiting(), sending(), submitted()] {
        assert_eq!(running.outcomes(), None);
    }
}

#[test]
fn someone_looks_after_an_attempt_until_nothing_is_owed() {
    for (attempt, due) in [
        (claimed(), Some(at(245 + 60))),
        // Its outcome is unknown from the very end of the lease.
        (sending(), Some(at(245))),
        (submitted(), Some(at(2 + 5 + 60))),
        (submitted().polled(false, at(12)).unwrap().attempt, Some(at(72))),
        (waiting(), Some(at(90))),
        (held(), Some(at(70))),
        (held().announced().unwrap().attempt, Some(at(10 + 3_600))),
        (settled(), Some(at(150))),
        (settled().announced().unwrap().attempt, None),
        (unfunded(), Some(at(60))),
        (unfunded().announced().unwrap().attempt, None),
    ] {
        assert_eq!(attempt.due_at, due, "{:?}", attempt.state);
    }
}

#[test]
fn a_lost_job_is_looked_for_hourly_while_it_may_exist() {
    for (seconds, due) in [
        (3_600, at(7_200)),
        (10 + 48 * 3_600 - 1, at(10 + 49 * 3_600 - 1)),
        (10 + 48 * 3_600, at(10 + days(7))),
    ] {
        let attempt = held().still_held(at(seconds)).unwrap().attempt;
        assert_eq!(attempt.due_at, Some(due), "{seconds}");
        assert_eq!(attempt.state, held().state);
    }
    // An online call leaves nothing to look for.
    let online = Attempt { lane: Lane::Online, ..held() };
    assert_eq!(online.announced().unwrap().attempt.due_at, Some(at(10 + days(7))));

    let told = held().announced().unwrap().attempt.still_held(at(3_610)).unwrap();
    assert!(told.attempt.announced && told.ledger.is_none());
}

#[test]
fn a_refused_step_names_the_attempt_and_both_states() {
    let error = settled().sending(at(100)).unwrap_err().to_string();
    assert!(error.contains("/gemini/1") && error.contains("Settled"), "{error}");
    assert!(error.ends_with("cannot become sending"), "{error}");
}

#[test]
fn rows_survive_their_store() {
    let all = [claimed(), waiting(), sending(), submitted(), held(), settled(), unfunded()];
    for attempt in all {
        let json = serde_json::to_string(&attempt).unwrap();
        assert_eq!(serde_json::from_str::<Attempt>(&json).unwrap(), attempt);
    }
}
