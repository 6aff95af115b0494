//! Money as everybody has it: the ledger, the attempts, the providers' bill.

use std::time::Duration;

use chrono::NaiveDate;
use tryon_aws::DynamoLedger;
use tryon_core::{
    attempt::{Attempt, AttemptState},
    budget::{Account, Balance},
    money::Micros,
    ports::{Clock, Ledger},
    render::Render,
};
use tryon_lambda::system::SystemClock;
use tryon_sandbox::{Charge, Provider};

use super::stack::Stack;

/// How often the books are read until nobody has written meanwhile.
const READINGS: u32 = 40;

impl Stack {
    /// The account on one day.
    pub(super) async fn balance(&self, account: Account, date: NaiveDate) -> Balance {
        let table = self.output("BudgetTableName").to_owned();
        DynamoLedger::new(self.clients.clone(), table).balance(account, date).await.unwrap()
    }

    /// Every attempt there is.
    pub(super) async fn attempts(&self) -> Vec<Attempt> {
        let scan = self.clients.dynamodb().scan().table_name(self.output("AttemptsTableName"));
        let mut pages = scan.consistent_read(true).into_paginator().items().send();
        let mut attempts = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.unwrap();
            attempts.push(serde_json::from_str(item["doc"].as_s().unwrap()).unwrap());
        }
        attempts
    }

    /// What the providers charge for the render.
    pub(super) fn charges(&self, render: &Render) -> Vec<Charge> {
        let id = render.id.as_str();
        let mut charges = self.sandbox.bill().charges;
        charges.retain(|charge| charge.key == id || charge.attempt.starts_with(id));
        charges
    }

    /// Each day's row is the sum of that day's attempts, and what is settled is what was billed for those
    /// that settled.
    pub(super) async fn check_books(&self) {
        for account in Account::ALL {
            let (attempts, balance) = self.still_books(account).await;
            let sum = |part: fn(&Attempt) -> Micros| attempts.iter().map(part).sum::<Micros>();
            let expected = [sum(reserved), sum(settled), sum(held)];
            assert_eq!([balance.reserved, balance.settled, balance.held], expected, "{account:?}");
            let provider = match account {
                Account::Google => Provider::Google,
                Account::Replicate => Provider::Replicate,
            };
            let is_settled = |charge: &&Charge| {
                attempts
                    .iter()
                    .any(|a| a.id.as_str() == charge.attempt && settled(a) > Micros::ZERO)
            };
            let bill = self.sandbox.bill().of_provider(provider);
            let billed: Micros = bill.charges.iter().filter(is_settled).map(Charge::micros).sum();
            assert_eq!(balance.settled, billed, "{account:?} against the bill");
        }
    }

    /// The account's attempts, and its days' balances in one, at a moment when no money moved.
    async fn still_books(&self, account: Account) -> (Vec<Attempt>, Balance) {
        for _ in 0..READINGS {
            let mut attempts = self.attempts().await;
            attempts.retain(|attempt| attempt.account == account);
            let before = self.days(account, &attempts).await;
            let mut again = self.attempts().await;
            again.retain(|attempt| attempt.account == account);
            if attempts == again && before == self.days(account, &again).await {
                return (attempts, before);
            }
            SystemClock.sleep(Duration::from_millis(500)).await;
        }
        panic!("the books of {account:?} are never still");
    }

    async fn days(&self, account: Account, attempts: &[Attempt]) -> Balance {
        let mut dates: Vec<_> = attempts.iter().map(|attempt| attempt.date).collect();
        dates.sort_unstable();
        dates.dedup();
        let mut sum = Balance::default();
        for date in dates {
            let day = self.balance(account, date).await;
            sum.reserved += day.reserved;
            sum.settled += day.settled;
            sum.held += day.held;
            sum.reservations += day.reservations;
        }
        sum
    }
}

fn reserved(attempt: &Attempt) -> Micros {
    match attempt.state {
        AttemptState::Claimed { .. }
        | AttemptState::Sending { .. }
        | AttemptState::Submitted { .. } => attempt.reserved(),
        _ => Micros::ZERO,
    }
}

fn held(attempt: &Attempt) -> Micros {
    match attempt.state {
        AttemptState::Held { .. } => attempt.reserved(),
        _ => Micros::ZERO,
    }
}

fn settled(attempt: &Attempt) -> Micros {
    match &attempt.state {
        AttemptState::Settled { outcomes, .. } => outcomes.iter().map(|o| o.cost).sum(),
        _ => Micros::ZERO,
    }
}
