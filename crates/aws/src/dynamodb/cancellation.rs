use aws_sdk_dynamodb::types::CancellationReason;
use tryon_core::{
    attempt::AttemptWrite,
    budget::{LedgerEntry, Movement},
    ports::{PortError, Written},
};

use super::{Item, item};

/// How one try of a write ended.
pub(super) enum Tried {
    Answered(Written),
    /// Another transaction was under way on the same row: nothing is known, nothing was done.
    Met,
}

/// The attempt's row was not at the version to be replaced: either another writer was first, or this
/// very write was, and its acknowledgement got lost.
pub(super) fn lost_race(found: Option<&Item>, write_id: &str) -> Tried {
    let ours = found.is_some_and(|item| item::is_written_by(item, write_id));
    Tried::Answered(if ours { Written::Done } else { Written::Conflict })
}

/// Why the transaction of an attempt and its ledger entry was cancelled. The attempt's condition
/// counts before the ledger's: who comes second learns that first, whatever the balance is.
pub(super) fn judge(
    reasons: &[CancellationReason],
    write: &AttemptWrite,
    entry: LedgerEntry,
    write_id: &str,
    budget_table: &str,
) -> Result<Tried, PortError> {
    let [attempt, ledger] = reasons else {
        return Err(PortError::Unavailable("transaction cancelled without reasons".to_owned()));
    };
    let either = |code| is(attempt, code) || is(ledger, code);
    if is(attempt, "ConditionalCheckFailed") {
        return Ok(lost_race(attempt.item(), write_id));
    }
    if either("TransactionConflict") {
        return Ok(Tried::Met);
    }
    if is(ledger, "ConditionalCheckFailed") {
        return does_not_follow(ledger.item(), write, entry, budget_table);
    }
    let codes = format!("transaction cancelled: {}, {}", code(attempt), code(ledger));
    if either("ValidationError") || either("ItemCollectionSizeLimitExceeded") {
        return Err(PortError::Broken(codes));
    }
    Err(PortError::Unavailable(codes))
}

fn does_not_follow(
    row: Option<&Item>,
    write: &AttemptWrite,
    entry: LedgerEntry,
    budget_table: &str,
) -> Result<Tried, PortError> {
    let LedgerEntry { account, date, movement, .. } = entry;
    let none = Item::new();
    let balance = item::to_balance(row.unwrap_or(&none), account)
        .map_err(|unreadable| unreadable.in_row(budget_table, &date.to_string()))?;
    if let Movement::Reserve { .. } = movement {
        return Ok(Tried::Answered(Written::NoHeadroom(balance)));
    }
    let id = &write.attempt.id;
    let reason = format!("{movement:?} of attempt {id} does not follow from {balance:?} of {date}");
    Err(PortError::Broken(reason))
}

fn is(reason: &CancellationReason, code: &str) -> bool {
    reason.code() == Some(code)
}

fn code(reason: &CancellationReason) -> &str {
    reason.code().unwrap_or("no code")
}
