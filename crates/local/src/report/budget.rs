use comfy_table::Table;
use tryon_core::{
    budget::{Account, CAP_PERCENT},
    money::Micros,
};

use super::{Facts, fact::AccountFact, table};

/// Where the money is, and whether the ledger and the attempts tell the same story.
pub(super) fn budget(facts: &Facts) -> Table {
    let none = AccountFact::default();
    let accounts = [Account::Google, Account::Replicate]
        .map(|account| facts.accounts.get(&account).unwrap_or(&none));
    let mut table = table(&["$", "Google", "Replicate"], 1);
    let mut row = |name: &str, amount: fn(&AccountFact) -> Micros| {
        let [google, replicate] = accounts.map(|account| amount(account).to_string());
        table.add_row([name.to_owned(), google, replicate]);
    };
    row("budget of a day", |account| account.daily_budget);
    row(&format!("cap of a day ({CAP_PERCENT} %)"), |account| {
        account.daily_budget.percent(CAP_PERCENT)
    });
    row("settled, all days", |account| account.balance.settled);
    row("reserved", |account| account.balance.reserved);
    row("held", |account| account.balance.held);
    row("settled, summed over attempts", |account| account.settled_by_attempts);
    table
}
