//! Attempts and the ledger against a model that adds up the rows anew each time: random operations,
//! stale ones among them, on any number of stores side by side.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures_util::future::join_all;
use proptest::prelude::*;

use super::{
    attempts::Books,
    fixtures::{attempt, start},
};
use crate::{
    attempt::{Attempt, AttemptState, AttemptWrite, NeverBought, WaitReason},
    budget::{Account, Balance, CAP_PERCENT},
    ids::JobName,
    money::Micros,
    outcome::{FailClass, Outcome, RenderOutcome},
    ports::Written,
};

const BUDGET: Micros = Micros::new(100);
/// How many attempts there are.
const ATTEMPTS: u64 = 6;

#[derive(Clone, Copy, Debug)]
enum Step {
    Open(u64),
    Claim,
    Sending,
    Submitted,
    Polled,
    Waiting,
    Deferred,
    Settled(u64),
    Held,
    SettleHeld,
    NeverBought,
    Announced,
}

/// One operation on attempt `n`, from the row as it is or as it was a write ago.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    n: u64,
    step: Step,
    stale: bool,
    hours_later: i64,
}

/// Operations, at most `most`.
pub fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..=most)
}

/// Makes the operations on every store, which start out empty, and compares what each answers and
/// has to read with the model.
pub async fn agree(stores: &[&dyn Books], ops: Vec<Op>) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    let mut now = start();
    for op in ops {
        now += TimeDelta::hours(op.hours_later);
        let Some(write) = model.write(op, now) else { continue };
        let expected = Ok(model.expected(op, &write));
        for store in stores {
            prop_assert_eq!(&store.write(&write).await, &expected, "{:?}", op);
        }
        if expected == Ok(Written::Done) {
            model.apply(op, write);
        }
        for store in stores {
            model.compare(*store, now).await?;
        }
    }
    Ok(())
}

fn op() -> impl Strategy<Value = Op> {
    let step = prop_oneof![
        4 => (0..40_u64).prop_map(Step::Open),
        2 => Just(Step::Claim),
        4 => Just(Step::Sending),
        2 => Just(Step::Submitted),
        1 => Just(Step::Polled),
        1 => Just(Step::Waiting),
        1 => Just(Step::Deferred),
        3 => (0..60_u64).prop_map(Step::Settled),
        2 => Just(Step::Held),
        1 => Just(Step::SettleHeld),
        1 => Just(Step::NeverBought),
        1 => Just(Step::Announced),
    ];
    (0..ATTEMPTS, step, prop::bool::weighted(0.1), 0..10_i64)
        .prop_map(|(n, step, stale, hours_later)| Op { n, step, stale, hours_later })
}

/// What the rows should be, with the one before each.
#[derive(Default)]
struct Model {
    rows: BTreeMap<u64, (Attempt, Option<Attempt>)>,
    reservations: BTreeMap<NaiveDate, u64>,
}

impl Model {
    fn write(&self, op: Op, now: DateTime<Utc>) -> Option<AttemptWrite> {
        if let Step::Open(price) = op.step {
            return Some(attempt(op.n, &[Micros::new(price)]).open(BUDGET, now, now));
        }
        let (row, before) = self.rows.get(&op.n)?;
        let row = if op.stale { before.as_ref()? } else { row }.clone();
        let cost = |actual| RenderOutcome {
            render_id: row.shares[0].render_id.clone(),
            outcome: Outcome::Failed { class: FailClass::Provider },
            cost: Micros::new(actual),
        };
        match op.step {
            Step::Open(_) => None,
            Step::Claim => row.claim(BUDGET, now, now).ok(),
            Step::Sending => row.sending(now).ok(),
            Step::Submitted => row.submitted(JobName::from("batches/a"), now).ok(),
            Step::Polled => row.polled(true, now).ok(),
            Step::Waiting => row.waiting(now, WaitReason::Provider).ok(),
            Step::Deferred => row.deferred(now).ok(),
            Step::Settled(actual) => {
                let outcomes = vec![cost(actual)];
                row.settled(outcomes, now).ok()
            }
            Step::Held => row.held(now).ok(),
            Step::SettleHeld => row.settle_held(now + TimeDelta::days(7)).ok(),
            Step::NeverBought => row.never_bought(NeverBought::Expired, now).ok(),
            Step::Announced => row.announced().ok(),
        }
    }

    /// What the day's money is, told by the rows alone.
    fn balance(&self, date: NaiveDate) -> Balance {
        let reservations = self.reservations.get(&date).copied().unwrap_or_default();
        let mut balance = Balance { reservations, ..Balance::default() };
        for (row, _) in self.rows.values().filter(|(row, _)| row.date == date) {
            match &row.state {
                AttemptState::Claimed { .. }
                | AttemptState::Sending { .. }
                | AttemptState::Submitted { .. } => balance.reserved += row.reserved(),
                AttemptState::Held { .. } => balance.held += row.reserved(),
                AttemptState::Settled { outcomes, .. } => {
                    balance.settled += outcomes.iter().map(|outcome| outcome.cost).sum();
                }
                AttemptState::Waiting { .. } | AttemptState::NeverBought { .. } => {}
            }
        }
        balance
    }

    fn expected(&self, op: Op, write: &AttemptWrite) -> Written {
        let current = self.rows.get(&op.n).map(|(row, _)| row.version);
        if current != write.replaces {
            return Written::Conflict;
        }
        let reserves = match (&write.attempt.state, current) {
            (AttemptState::Claimed { .. }, None) => true,
            (AttemptState::Claimed { .. }, Some(_)) => {
                matches!(self.rows[&op.n].0.state, AttemptState::Waiting { .. })
            }
            _ => false,
        };
        let balance = self.balance(write.attempt.date);
        let after = balance.committed() + write.attempt.reserved();
        if reserves && after > BUDGET.percent(CAP_PERCENT) {
            return Written::NoHeadroom(balance);
        }
        Written::Done
    }

    fn apply(&mut self, op: Op, write: AttemptWrite) {
        let before = self.rows.remove(&op.n).map(|(row, _)| row);
        let claims = matches!(write.attempt.state, AttemptState::Claimed { .. });
        let reserved_already =
            before.as_ref().is_some_and(|row| matches!(row.state, AttemptState::Claimed { .. }));
        if claims && !reserved_already {
            *self.reservations.entry(write.attempt.date).or_default() += 1;
        }
        self.rows.insert(op.n, (write.attempt, before));
    }

    fn due(&self, now: DateTime<Utc>) -> Vec<Attempt> {
        let rows = self.rows.values().map(|(row, _)| row.clone());
        let mut due: Vec<_> = rows.filter(|row| row.due_at.is_some_and(|at| at <= now)).collect();
        due.sort_by(|a, b| (a.due_at, &a.id).cmp(&(b.due_at, &b.id)));
        due
    }

    /// Whether all that a store has to read is as it should be.
    async fn compare(&self, store: &dyn Books, now: DateTime<Utc>) -> Result<(), TestCaseError> {
        let later = now + TimeDelta::minutes(5);
        prop_assert_eq!(store.due(later, 100).await, Ok(self.due(later)));
        let ids = (0..ATTEMPTS).map(|n| attempt(n, &[]).id);
        let gets = ids.map(|id| async move { store.get(&id).await });
        let rows = (0..ATTEMPTS).map(|n| Ok(self.rows.get(&n).map(|(row, _)| row.clone())));
        prop_assert_eq!(join_all(gets).await, rows.collect::<Vec<_>>());
        let dates = self.reservations.keys().copied();
        let balances = dates.map(|date| async move {
            let met = store.balance(Account::Google, date).await;
            (met, Ok(self.balance(date)))
        });
        for (met, expected) in join_all(balances).await {
            prop_assert_eq!(met, expected);
        }
        let none = store.balance(Account::Replicate, now.date_naive()).await;
        prop_assert_eq!(none, Ok(Balance::default()));
        Ok(())
    }
}
