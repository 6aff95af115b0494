use comfy_table::Table;
use tryon_core::{budget::CAP_PERCENT, money::Micros};

use super::{Facts, table};

/// Where the money is, and whether the ledger and the attempts tell the same story.
pub(super) fn budget(facts: &Facts) -> Table {
    let balance = &facts.balance;
    let mut table = table(&["", "$"], 1);
    let mut row = |name: &str, amount: Micros| {
        table.add_row([name.to_owned(), amount.to_string()]);
    };
    row("budget of a day", facts.daily_budget);
    row(&format!("cap of a day ({CAP_PERCENT} %)"), facts.daily_budget.percent(CAP_PERCENT));
    row("settled, all days", balance.settled);
    row("reserved", balance.reserved);
    row("held", balance.held);
    row("settled, summed over attempts", facts.settled_by_attempts);
    table
}
