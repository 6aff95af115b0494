//! How a day's money stands.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    budget::{Account, Balance, Balances, CAP_PERCENT},
    catalogue::Catalogue,
    settings::Settings,
};

/// Both accounts; what `budget-status` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetStatus {
    pub at: DateTime<Utc>,
    pub date: NaiveDate,
    pub google: AccountStatus,
    pub replicate: AccountStatus,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountStatus {
    /// Of the budget: `closed`, `deferred` or `open`, for the cheapest thing that the account buys.
    pub breaker: String,
    pub daily_budget_usd: f64,
    /// What is never passed.
    pub cap_usd: f64,
    pub committed_percent: u64,
    pub reserved_usd: f64,
    pub settled_usd: f64,
    pub held_usd: f64,
    pub reservations: u64,
    pub rescues_usd: f64,
}

impl BudgetStatus {
    pub fn of(
        balances: &Balances,
        settings: &Settings,
        catalogue: &Catalogue,
        at: DateTime<Utc>,
    ) -> Self {
        let date = at.date_naive();
        let [google, replicate] = Account::ALL.map(|account| {
            let price = catalogue.cheapest(account, date).unwrap_or_default();
            let daily_budget = settings.daily_budget_of(account);
            let balance = balances.of(account);
            let Balance { reserved, settled, held, reservations, rescues } = *balance;
            AccountStatus {
                breaker: balance.judge(price, daily_budget).as_str().to_owned(),
                daily_budget_usd: daily_budget.usd(),
                cap_usd: daily_budget.percent(CAP_PERCENT).usd(),
                committed_percent: balance.committed_percent(daily_budget),
                reserved_usd: reserved.usd(),
                settled_usd: settled.usd(),
                held_usd: held.usd(),
                reservations,
                rescues_usd: rescues.usd(),
            }
        });
        Self { at, date, google, replicate }
    }
}
