//! Attempts and the ledger, which change together. Each test has a date of its own.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures_util::future::join_all;

use super::fixtures::{attempt, start};
use crate::{
    attempt::{Attempt, AttemptState, AttemptWrite, NeverBought, Share, WaitReason},
    budget::{Account, Balance, CAP_PERCENT, LedgerEntry, Movement},
    catalogue::Size,
    chain::Fidelity,
    ids::JobName,
    money::Micros,
    outcome::{Outcome, RenderOutcome},
    picture::{Mime, PictureRef},
    ports::{Attempts, Ledger, PortError, Written},
};

/// Attempts with the ledger that changes with them.
pub trait Books: Attempts + Ledger {}
impl<T: Attempts + Ledger> Books for T {}

/// Everything below, on one empty store.
pub async fn suite(attempts: &dyn Books) {
    rows_come_back_as_they_went_in(attempts).await;
    a_thousand_reservations_admit_exactly_forty_five(attempts).await;
    rescues_are_admitted_by_a_budget_of_their_own(attempts).await;
    forty_batches_racing_never_pass_the_cap(attempts).await;
    a_bill_is_settled_once(attempts).await;
    a_conflict_moves_no_money(attempts).await;
    a_movement_that_does_not_follow_is_broken(attempts).await;
    what_was_not_bought_is_released(attempts).await;
    what_is_unknown_is_held_then_adopted_or_spent(attempts).await;
    money_stays_on_the_day_of_its_reservation(attempts).await;
    a_later_claim_reserves_on_its_own_day(attempts).await;
    accounts_do_not_mix(attempts).await;
    due_rows_come_longest_due_first(attempts).await;
}

const CENT: u64 = 10_000;
const BUDGET: Micros = Micros::new(200_000_000);

/// Noon of a day that no other test uses.
fn day(n: i64) -> DateTime<Utc> {
    start() + TimeDelta::days(n)
}

fn lease(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::seconds(240)
}

fn cents(cents: u64) -> Micros {
    Micros::new(cents * CENT)
}

async fn balance(attempts: &dyn Books, now: DateTime<Utc>) -> Balance {
    attempts.balance(Account::Google, now.date_naive()).await.unwrap()
}

/// Makes a write that must succeed, and reads it back.
async fn write(attempts: &dyn Books, write: AttemptWrite) -> Attempt {
    assert_eq!(attempts.write(&write).await, Ok(Written::Done));
    let stored = attempts.get(&write.attempt.id).await.unwrap().unwrap();
    assert_eq!(stored, write.attempt);
    stored
}

async fn open(attempts: &dyn Books, n: u64, price: Micros, now: DateTime<Utc>) -> Attempt {
    write(attempts, attempt(n, &[price]).open(BUDGET, now, lease(now))).await
}

/// Everything reserved, settled and held, in cents.
fn parts(balance: Balance) -> (u64, u64, u64) {
    let cents = |amount: Micros| amount.get() / CENT;
    (cents(balance.reserved), cents(balance.settled), cents(balance.held))
}

fn bill(attempt: &Attempt, cost: Micros) -> Vec<RenderOutcome> {
    let picture = PictureRef { key: "out/a.png".to_owned(), bytes: 9, mime: Mime::Png };
    let outcome = Outcome::Image { picture, fidelity: Fidelity::Exact, size: Size::OneK };
    let of = |share: &Share| RenderOutcome {
        render_id: share.render_id.clone(),
        outcome: outcome.clone(),
        cost,
    };
    attempt.shares.iter().map(of).collect()
}

pub async fn rows_come_back_as_they_went_in(attempts: &dyn Books) {
    let now = day(100);
    let draft = attempt(3_000, &[cents(3), cents(4)]);
    assert_eq!(attempts.get(&draft.id).await, Ok(None));
    assert_eq!(balance(attempts, now).await, Balance::default());
    let claimed = write(attempts, draft.open(BUDGET, now, lease(now))).await;
    assert_eq!(claimed.version, 1);
    let sending = write(attempts, claimed.sending(now).unwrap()).await;
    let job = JobName::from("batches/k3v8");
    let submitted = write(attempts, sending.submitted(job, now).unwrap()).await;
    let polled = write(attempts, submitted.polled(true, now).unwrap()).await;
    let outcomes = bill(&polled, cents(2));
    let settled = write(attempts, polled.settled(outcomes, now).unwrap()).await;
    let announced = write(attempts, settled.announced().unwrap()).await;
    assert_eq!(announced.version, 6);
    assert_eq!(parts(balance(attempts, now).await), (0, 4, 0));
}

pub async fn rescues_are_admitted_by_a_budget_of_their_own(attempts: &dyn Books) {
    let now = day(130);
    let rescue = |n| Attempt { rescue: Some(cents(55)), ..attempt(n, &[cents(10)]) };
    let racers = (0..100).map(|i| async move {
        let draft = rescue(12_000 + i);
        attempts.write(&draft.open(BUDGET, now, lease(now))).await.unwrap()
    });
    let met = join_all(racers).await;
    assert_eq!(met.iter().filter(|met| **met == Written::Done).count(), 5, "of $0.55");
    let full = balance(attempts, now).await;
    assert_eq!((parts(full), full.rescues), ((50, 0, 0), cents(50)));
    let refused = met.iter().filter(|met| **met != Written::Done);
    for met in refused {
        assert!(matches!(met, Written::NoHeadroom(balance) if *balance == full), "{met:?}");
    }
    // Others are not kept from buying, nor counted.
    open(attempts, 12_200, cents(10), now).await;
    assert_eq!(balance(attempts, now).await.rescues, cents(50));
    // What one did not need is another's.
    let first = (0..100).zip(&met).find(|(_, met)| **met == Written::Done).unwrap().0;
    let claimed = attempts.get(&rescue(12_000 + first).id).await.unwrap().unwrap();
    let sending = write(attempts, claimed.sending(now).unwrap()).await;
    let outcomes = bill(&sending, cents(4));
    write(attempts, sending.settled(outcomes, now).unwrap()).await;
    assert_eq!(balance(attempts, now).await.rescues, cents(44));
    let next = rescue(12_300).open(BUDGET, now, lease(now));
    assert_eq!(attempts.write(&next).await, Ok(Written::Done));
    let dearer = Attempt { rescue: Some(cents(9)), ..rescue(12_301) };
    let met = attempts.write(&dearer.open(BUDGET, now, lease(now))).await;
    assert!(matches!(met, Ok(Written::NoHeadroom(_))), "{met:?}");
}

pub async fn a_thousand_reservations_admit_exactly_forty_five(attempts: &dyn Books) {
    let now = day(101);
    let racers = (0..1_000).map(|i| async move {
        let draft = attempt(10_000 + i, &[cents(10)]);
        attempts.write(&draft.open(cents(500), now, lease(now))).await.unwrap()
    });
    let met = join_all(racers).await;
    let admitted = met.iter().filter(|met| **met == Written::Done).count();
    assert_eq!(admitted, 45, "90 % of $5.00");
    let full = balance(attempts, now).await;
    assert_eq!(parts(full), (450, 0, 0));
    assert_eq!(full.reservations, 45);
    let refused = met.iter().filter(|met| **met != Written::Done);
    for met in refused {
        assert!(matches!(met, Written::NoHeadroom(balance) if *balance == full), "{met:?}");
    }
    let mut rows = 0;
    for i in 0..1_000 {
        let id = attempt(10_000 + i, &[]).id;
        rows += usize::from(attempts.get(&id).await.unwrap().is_some());
    }
    assert_eq!(rows, 45, "who was refused left no row");
    let raised = attempt(10_999, &[cents(10)]).open(cents(512), now, lease(now));
    assert_eq!(attempts.write(&raised).await, Ok(Written::Done), "a raise is in force at once");
}

pub async fn forty_batches_racing_never_pass_the_cap(attempts: &dyn Books) {
    let now = day(102);
    let cap = BUDGET.percent(CAP_PERCENT);
    let spent = Micros::new(179_980_000);
    let first =
        write(attempts, open(attempts, 3_010, spent, now).await.sending(now).unwrap()).await;
    let outcomes = bill(&first, spent);
    write(attempts, first.settled(outcomes, now).unwrap()).await;
    let racers = (0..40).map(|i| async move {
        let prices = vec![Micros::new(60 + i); 50];
        let draft = attempt(3_100 + i, &prices);
        let met = attempts.write(&draft.open(BUDGET, now, lease(now))).await.unwrap();
        assert!(balance(attempts, now).await.committed() <= cap);
        met
    });
    let met = join_all(racers).await;
    let admitted = met.iter().filter(|met| **met == Written::Done).count();
    // $0.02 are left; the batches cost $0.0030 to $0.00495.
    assert!((4..=6).contains(&admitted), "{admitted}");
    let after = balance(attempts, now).await;
    let left = cap.checked_sub(after.committed());
    assert!(left.is_some_and(|left| left < Micros::new(4_950)), "all that fits is admitted");
    assert_eq!(after.reservations, 1 + admitted as u64);
}

pub async fn a_bill_is_settled_once(attempts: &dyn Books) {
    let now = day(103);
    let claimed = open(attempts, 3_200, cents(10), now).await;
    let sending = write(attempts, claimed.sending(now).unwrap()).await;
    let settle = sending.clone().settled(bill(&sending, cents(7)), now).unwrap();
    let racers = (0..10).map(|_| async { attempts.write(&settle).await.unwrap() });
    let met = join_all(racers).await;
    assert_eq!(met.iter().filter(|met| **met == Written::Done).count(), 1);
    assert_eq!(met.iter().filter(|met| **met == Written::Conflict).count(), 9);
    assert_eq!(attempts.write(&settle).await, Ok(Written::Conflict));
    assert_eq!(parts(balance(attempts, now).await), (0, 7, 0));
    let dear = open(attempts, 3_201, cents(10), now).await;
    let outcomes = bill(&dear, cents(12));
    write(attempts, dear.settled(outcomes, now).unwrap()).await;
    assert_eq!(parts(balance(attempts, now).await), (0, 19, 0), "a bill above its reservation");
}

pub async fn a_conflict_moves_no_money(attempts: &dyn Books) {
    let now = day(104);
    let claimed = open(attempts, 3_210, cents(10), now).await;
    let again = attempt(3_210, &[cents(10)]).open(BUDGET, now, lease(now));
    assert_eq!(attempts.write(&again).await, Ok(Written::Conflict), "the row is there already");
    // Even where the money would not fit: who comes second learns that first.
    let poor = attempt(3_210, &[cents(10)]).open(cents(1), now, lease(now));
    assert_eq!(attempts.write(&poor).await, Ok(Written::Conflict));
    let stale = claimed.clone().waiting(now, WaitReason::Provider).unwrap();
    let sending = write(attempts, claimed.sending(now).unwrap()).await;
    assert_eq!(attempts.write(&stale).await, Ok(Written::Conflict));
    assert_eq!(attempts.get(&sending.id).await, Ok(Some(sending)));
    let unknown = Attempt { version: 1, ..attempt(3_211, &[cents(10)]) };
    let orphan = unknown.never_bought(NeverBought::Expired, now).unwrap();
    assert_eq!(attempts.write(&orphan).await, Ok(Written::Conflict), "there is no such row");
    assert_eq!(parts(balance(attempts, now).await), (10, 0, 0));
}

pub async fn a_movement_that_does_not_follow_is_broken(attempts: &dyn Books) {
    let now = day(105);
    let claimed = open(attempts, 3_220, cents(10), now).await;
    for movement in [
        Movement::Release { reserved: cents(11) },
        Movement::Settle { reserved: cents(11), actual: cents(1) },
        Movement::Hold { reserved: cents(11) },
        Movement::Adopt { held: cents(1) },
        Movement::SettleHeld { held: cents(1) },
    ] {
        let mut write = claimed.clone().sending(now).unwrap();
        let date = now.date_naive();
        write.ledger = Some(LedgerEntry { account: Account::Google, date, movement, rescue: None });
        let met = attempts.write(&write).await;
        assert!(matches!(met, Err(PortError::Broken(_))), "{movement:?}: {met:?}");
    }
    assert_eq!(attempts.get(&claimed.id).await, Ok(Some(claimed)));
    assert_eq!(parts(balance(attempts, now).await), (10, 0, 0));
}

pub async fn what_was_not_bought_is_released(attempts: &dyn Books) {
    let now = day(106);
    let claimed = open(attempts, 3_230, cents(10), now).await;
    let waiting = write(attempts, claimed.waiting(now, WaitReason::Provider).unwrap()).await;
    assert_eq!(parts(balance(attempts, now).await), (0, 0, 0));
    let again = write(attempts, waiting.claim(BUDGET, now, lease(now)).unwrap()).await;
    assert_eq!(parts(balance(attempts, now).await), (10, 0, 0));
    assert_eq!(balance(attempts, now).await.reservations, 2);
    write(attempts, again.never_bought(NeverBought::Expired, now).unwrap()).await;
    assert_eq!(parts(balance(attempts, now).await), (0, 0, 0));
    let deferred = attempt(3_231, &[cents(10)]).open_deferred(now);
    let deferred = write(attempts, deferred).await;
    write(attempts, deferred.never_bought(NeverBought::Unfunded, now).unwrap()).await;
    assert_eq!(parts(balance(attempts, now).await), (0, 0, 0), "nothing was ever reserved");
}

pub async fn what_is_unknown_is_held_then_adopted_or_spent(attempts: &dyn Books) {
    let now = day(107);
    let mut held = Vec::new();
    for n in [3_240, 3_241] {
        let claimed = open(attempts, n, cents(10), now).await;
        let sending = write(attempts, claimed.sending(now).unwrap()).await;
        held.push(write(attempts, sending.held(now).unwrap()).await);
    }
    assert_eq!(parts(balance(attempts, now).await), (0, 0, 20));
    let job = JobName::from("batches/found");
    let adopted = held.remove(0).submitted(job, now).unwrap();
    let adopted = write(attempts, adopted).await;
    assert_eq!(parts(balance(attempts, now).await), (10, 0, 10));
    let outcomes = bill(&adopted, cents(6));
    write(attempts, adopted.settled(outcomes, now).unwrap()).await;
    let spent = held.remove(0).settle_held(now + TimeDelta::days(7)).unwrap();
    write(attempts, spent).await;
    assert_eq!(parts(balance(attempts, now).await), (0, 16, 0));
}

pub async fn money_stays_on_the_day_of_its_reservation(attempts: &dyn Books) {
    let before = day(108) + TimeDelta::seconds(12 * 3_600 - 1);
    let after = before + TimeDelta::seconds(2);
    let claimed = open(attempts, 3_250, cents(10), before).await;
    let sending = write(attempts, claimed.sending(after).unwrap()).await;
    assert_eq!(parts(balance(attempts, after).await), (0, 0, 0));
    let outcomes = bill(&sending, cents(5));
    write(attempts, sending.settled(outcomes, after).unwrap()).await;
    assert_eq!(parts(balance(attempts, before).await), (0, 5, 0));
    assert_eq!(balance(attempts, after).await, Balance::default());
}

pub async fn a_later_claim_reserves_on_its_own_day(attempts: &dyn Books) {
    let (before, after) = (day(110), day(111));
    let claimed = open(attempts, 3_260, cents(10), before).await;
    let waiting = write(attempts, claimed.waiting(after, WaitReason::Deferred).unwrap()).await;
    let again = write(attempts, waiting.claim(BUDGET, after, lease(after)).unwrap()).await;
    assert_eq!(again.date, NaiveDate::from(after.naive_utc()));
    assert_eq!(parts(balance(attempts, before).await), (0, 0, 0));
    assert_eq!(parts(balance(attempts, after).await), (10, 0, 0));
}

pub async fn accounts_do_not_mix(attempts: &dyn Books) {
    let now = day(112);
    let mut draft = attempt(3_270, &[cents(10)]);
    draft.account = Account::Replicate;
    write(attempts, draft.open(BUDGET, now, lease(now))).await;
    assert_eq!(balance(attempts, now).await, Balance::default());
    let other = attempts.balance(Account::Replicate, now.date_naive()).await.unwrap();
    assert_eq!(parts(other), (10, 0, 0));
}

pub async fn due_rows_come_longest_due_first(attempts: &dyn Books) {
    // Before every other test, so that these are the first.
    let at = |minute| day(-10) + TimeDelta::minutes(minute);
    let mut ids = Vec::new();
    for (n, minute) in [(3_280, 1), (3_281, 3), (3_282, 2)] {
        let mut write = attempt(n, &[]).open_deferred(at(0));
        write.attempt.due_at = Some(at(minute));
        assert_eq!(attempts.write(&write).await, Ok(Written::Done));
        ids.push(write.attempt.id);
    }
    let due = |now, most| async move {
        let due = attempts.due(now, most).await.unwrap();
        due.into_iter().map(|attempt| attempt.id).collect::<Vec<_>>()
    };
    let [first, third, second] = ids.try_into().unwrap();
    assert_eq!(due(at(0), 10).await, []);
    assert_eq!(due(at(5), 2).await, [first.clone(), second.clone()]);
    let waiting = attempts.get(&first).await.unwrap().unwrap();
    assert!(matches!(waiting.state, AttemptState::Waiting { .. }));
    let ended = write(attempts, waiting.never_bought(NeverBought::Unfunded, at(1)).unwrap()).await;
    write(attempts, ended.announced().unwrap()).await;
    assert_eq!(due(at(5), 10).await, [second, third], "what is told and done is due no more");
}
