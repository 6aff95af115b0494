//! Random walks of several attempts over one ledger, against a table of what may follow what.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::budget::{Balance, CAP_PERCENT};

#[derive(Clone, Copy, Debug)]
enum Op {
    Open,
    OpenDeferred,
    Claim,
    Sending,
    Submitted,
    Polled,
    Waiting,
    Deferred,
    Settled { cost: u64 },
    Held,
    StillHeld,
    SettleHeld,
    NeverBought(NeverBought),
    Announced,
}

/// An operation on attempt `who`, `after` seconds later.
#[derive(Clone, Debug)]
struct Move {
    who: usize,
    after: i64,
    op: Op,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let op = prop_oneof![
        2 => Just(Op::Open),
        1 => Just(Op::OpenDeferred),
        3 => Just(Op::Claim),
        4 => Just(Op::Sending),
        3 => Just(Op::Submitted),
        1 => Just(Op::Polled),
        1 => Just(Op::Waiting),
        1 => Just(Op::Deferred),
        2 => (0..90_000u64).prop_map(|cost| Op::Settled { cost }),
        2 => Just(Op::Held),
        1 => Just(Op::StillHeld),
        2 => Just(Op::SettleHeld),
        1 => prop_oneof![Just(NeverBought::Unfunded), Just(NeverBought::Expired)]
            .prop_map(Op::NeverBought),
        2 => Just(Op::Announced),
    ];
    let after = prop_oneof![4 => 0..60i64, 2 => 60..7_200i64, 1 => Just(days(7))];
    let step = (0..ATTEMPTS, after, op).prop_map(|(who, after, op)| Move { who, after, op });
    prop::collection::vec(step, 1..80)
}

const ATTEMPTS: usize = 3;
/// Room for two and a half of the attempts.
const TIGHT: Micros = Micros::new(261_000);
const LEASE: i64 = 245;

/// What may follow what. An attempt without a row is a draft.
fn allowed(attempt: &Attempt, op: Op, now: DateTime<Utc>) -> bool {
    use AttemptState as S;
    if attempt.version == 0 {
        return matches!(op, Op::Open | Op::OpenDeferred | Op::NeverBought(_));
    }
    match (&attempt.state, op) {
        (S::Claimed { lease_until }, Op::Claim) => *lease_until <= now,
        (S::Waiting { until, .. }, Op::Claim) => *until <= now,
        (S::Held { since, .. }, Op::SettleHeld) => *since + TimeDelta::days(7) <= now,
        (
            S::Claimed { .. },
            Op::Sending | Op::Waiting | Op::Settled { .. } | Op::NeverBought(_),
        )
        | (S::Waiting { .. }, Op::Deferred | Op::NeverBought(_))
        | (
            S::Sending { .. },
            Op::Submitted | Op::Waiting | Op::Settled { .. } | Op::Held | Op::NeverBought(_),
        )
        | (S::Submitted { .. }, Op::Polled | Op::Settled { .. })
        | (S::Held { .. }, Op::Submitted | Op::StillHeld | Op::Announced)
        | (S::Settled { .. } | S::NeverBought { .. }, Op::Announced) => true,
        _ => false,
    }
}

fn apply(attempt: Attempt, op: Op, now: DateTime<Utc>) -> Result<AttemptWrite, InvalidTransition> {
    let lease = now + TimeDelta::seconds(LEASE);
    let until = now + TimeDelta::seconds(60);
    match op {
        Op::Open => Ok(attempt.open(TIGHT, now, lease)),
        Op::OpenDeferred => Ok(attempt.open_deferred(until)),
        Op::Claim => attempt.claim(TIGHT, now, lease),
        Op::Sending => attempt.sending(now),
        Op::Submitted => attempt.submitted(JobName::from("batches/1"), now),
        Op::Polled => attempt.polled(true, until),
        Op::Waiting => attempt.waiting(until, WaitReason::Provider),
        Op::Deferred => attempt.deferred(until),
        Op::Settled { cost } => {
            let outcomes = answered(&attempt, Micros::new(cost));
            attempt.settled(outcomes, now)
        }
        Op::Held => attempt.held(now),
        Op::StillHeld => attempt.still_held(now),
        Op::SettleHeld => attempt.settle_held(now),
        Op::NeverBought(why) => attempt.never_bought(why, now),
        Op::Announced => attempt.announced(),
    }
}

/// Rows and ledger as a store keeps them.
struct World {
    attempts: Vec<Attempt>,
    ledger: BTreeMap<NaiveDate, Balance>,
    settlements: Vec<u32>,
    now: DateTime<Utc>,
}

impl World {
    fn new() -> Self {
        Self {
            attempts: (0..ATTEMPTS as u64).map(|n| draft(n, &PRICES)).collect(),
            ledger: BTreeMap::new(),
            settlements: vec![0; ATTEMPTS],
            now: at(0),
        }
    }

    fn step(&mut self, step: &Move) -> Result<(), TestCaseError> {
        self.now += TimeDelta::seconds(step.after);
        let before = self.attempts[step.who].clone();
        // `open` on a row that exists is for the store to refuse.
        let reopened = matches!(step.op, Op::Open | Op::OpenDeferred) && before.version > 0;
        if reopened {
            return Ok(());
        }
        let result = apply(before.clone(), step.op, self.now);
        // A draft has no row: what is not a first write would meet none.
        let stored =
            |write: &AttemptWrite| write.replaces == (before.version > 0).then_some(before.version);
        let write = match result {
            Ok(write) if stored(&write) => write,
            _ => {
                prop_assert!(!allowed(&before, step.op, self.now), "{:?} {before:?}", step.op);
                return Ok(());
            }
        };
        prop_assert!(allowed(&before, step.op, self.now), "{:?} {before:?}", step.op);
        self.write(step.who, &before, write)
    }

    fn write(
        &mut self,
        who: usize,
        before: &Attempt,
        write: AttemptWrite,
    ) -> Result<(), TestCaseError> {
        let after = write.attempt;
        prop_assert_eq!(after.version, before.version + 1);
        prop_assert_eq!(&after.shares, &before.shares);
        if let Some(entry) = write.ledger {
            prop_assert_eq!(entry.date, after.date);
            let row = self.ledger.entry(entry.date).or_default();
            let Some(next) = row.after(entry.movement) else {
                let reserve = matches!(entry.movement, Movement::Reserve { .. });
                prop_assert!(reserve, "{:?} does not follow from {row:?}", entry.movement);
                return Ok(());
            };
            *row = next;
            if let Movement::Settle { .. } | Movement::SettleHeld { .. } = entry.movement {
                self.settlements[who] += 1;
            }
            if let Movement::Reserve { .. } = entry.movement {
                prop_assert!(row.committed() <= TIGHT.percent(CAP_PERCENT));
            }
        }
        self.attempts[who] = after;
        Ok(())
    }

    /// The ledger is what the attempts say, to the micro-dollar.
    fn check(&self) -> Result<(), TestCaseError> {
        let (mut reserved, mut held, mut settled) = (Micros::ZERO, Micros::ZERO, Micros::ZERO);
        for (attempt, settlements) in self.attempts.iter().zip(&self.settlements) {
            let ended = matches!(
                attempt.state,
                AttemptState::Settled { .. } | AttemptState::NeverBought { .. }
            );
            match &attempt.state {
                _ if attempt.version == 0 => {}
                AttemptState::Claimed { .. }
                | AttemptState::Sending { .. }
                | AttemptState::Submitted { .. } => reserved += attempt.reserved(),
                AttemptState::Held { .. } => held += attempt.reserved(),
                AttemptState::Settled { outcomes, .. } => {
                    settled += outcomes.iter().map(|outcome| outcome.cost).sum();
                }
                AttemptState::Waiting { .. } | AttemptState::NeverBought { .. } => {}
            }
            let paid = matches!(attempt.state, AttemptState::Settled { .. });
            prop_assert_eq!(*settlements, u32::from(paid), "settled exactly once");
            let told_off = ended && attempt.announced;
            let due = attempt.version > 0 && !told_off;
            prop_assert_eq!(attempt.due_at.is_some(), due, "{:?}", attempt);
        }
        let sum = |part: fn(&Balance) -> Micros| self.ledger.values().map(part).sum::<Micros>();
        prop_assert_eq!(sum(|balance| balance.reserved), reserved);
        prop_assert_eq!(sum(|balance| balance.held), held);
        prop_assert_eq!(sum(|balance| balance.settled), settled);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn no_walk_loses_or_makes_money(moves in moves()) {
        let mut world = World::new();
        for step in &moves {
            world.step(step)?;
            world.check()?;
        }
    }
}
