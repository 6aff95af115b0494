use std::{fmt, sync::Arc};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValuesOnConditionCheckFailure::AllOld, Update,
};
use chrono::NaiveDate;
use tryon_core::{
    budget::{Account, Balance, Balances, CAP_PERCENT, LedgerEntry, Movement},
    money::Micros,
    ports::{Ledger, PortError},
};

use super::{
    Item,
    item::{self, RESCUES, column},
    number, text, unbuilt,
};
use crate::{Clients, errors::port_error};

/// The ledger, for whoever may only read it.
pub struct DynamoLedger {
    clients: Arc<Clients>,
    table: String,
}

impl fmt::Debug for DynamoLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoLedger").field("table", &self.table).finish_non_exhaustive()
    }
}

impl DynamoLedger {
    /// `table` is `gemini_budget_tracking_${Stage}`: key `date`.
    pub const fn new(clients: Arc<Clients>, table: String) -> Self {
        Self { clients, table }
    }
}

#[async_trait]
impl Ledger for DynamoLedger {
    async fn balances(&self, date: NaiveDate) -> Result<Balances, PortError> {
        Day::read(&self.clients, &self.table, date).await?.balances()
    }

    async fn balance(&self, account: Account, date: NaiveDate) -> Result<Balance, PortError> {
        Day::read(&self.clients, &self.table, date).await?.balance(account)
    }
}

/// A day's row, whoever's money is in it.
pub(super) struct Day<'a> {
    table: &'a str,
    date: String,
    row: Item,
}

impl<'a> Day<'a> {
    pub(super) async fn read(
        clients: &Clients,
        table: &'a str,
        date: NaiveDate,
    ) -> Result<Self, PortError> {
        let date = date.to_string();
        let get = clients.dynamodb().get_item().consistent_read(true).table_name(table);
        let answer = get.key("date", text(&date)).send().await;
        let answer = answer.map_err(|error| port_error("GetItem", &error))?;
        Ok(Self { table, date, row: answer.item.unwrap_or_default() })
    }

    pub(super) fn balances(&self) -> Result<Balances, PortError> {
        let (google, replicate) =
            (self.balance(Account::Google)?, self.balance(Account::Replicate)?);
        Ok(Balances { google, replicate })
    }

    /// Of one account; what is wrong with the other's part is no matter.
    pub(super) fn balance(&self, account: Account) -> Result<Balance, PortError> {
        item::to_balance(&self.row, account)
            .map_err(|unreadable| unreadable.in_row(self.table, &self.date))
    }
}

/// The update of the day's row that an entry stands for, with the condition that it follows. A
/// movement adds to every part, be it nothing, so that a row has all of its parts or none.
pub(super) fn update(table: &str, entry: LedgerEntry) -> Result<Update, PortError> {
    let of = |part| column(entry.account, part);
    let (condition, bound) = condition(entry.account, entry.movement);
    let mut expression = Vec::new();
    let mut update = Update::builder();
    let mut conditions = vec![condition];
    if let (Some(budget), Movement::Reserve { amount, .. }) = (entry.rescue, entry.movement) {
        let (condition, room) = rescue_condition(&of(RESCUES), budget, amount);
        conditions.push(condition);
        update = update.expression_attribute_values(":room", room);
    }
    let rescues = entry.rescue.map(|_| (RESCUES, rescues_change(entry.movement)));
    for (part, change) in changes(entry.movement).into_iter().chain(rescues) {
        expression.push(format!("{} :{part}", of(part)));
        update = update.expression_attribute_values(format!(":{part}"), number(change));
    }
    update
        .table_name(table)
        .key("date", text(entry.date.to_string()))
        .update_expression(format!("ADD {}", expression.join(", ")))
        .condition_expression(conditions.join(" AND "))
        .expression_attribute_values(":bound", bound)
        .return_values_on_condition_check_failure(AllOld)
        .build()
        .map_err(|error| unbuilt(&error))
}

/// What a movement adds to each part of the row.
fn changes(movement: Movement) -> [(&'static str, i128); 5] {
    let plus = |amount: Micros| i128::from(amount.get());
    let minus = |amount: Micros| -i128::from(amount.get());
    let (reserved, settled, held, reservations) = match movement {
        Movement::Reserve { amount, .. } => (plus(amount), 0, 0, 1),
        Movement::Release { reserved } => (minus(reserved), 0, 0, 0),
        Movement::Settle { reserved, actual } => (minus(reserved), plus(actual), 0, 0),
        Movement::Hold { reserved } => (minus(reserved), 0, plus(reserved), 0),
        Movement::Adopt { held } => (plus(held), 0, minus(held), 0),
        Movement::SettleHeld { held } => (0, plus(held), minus(held), 0),
    };
    [
        ("committed_micros", reserved + settled + held),
        ("reserved_micros", reserved),
        ("settled_micros", settled),
        ("held_micros", held),
        ("reservations", reservations),
    ]
}

/// What a rescue's movement adds to the part that is kept within a budget of its own.
fn rescues_change(movement: Movement) -> i128 {
    let of = |amount: Micros| i128::from(amount.get());
    match movement {
        Movement::Reserve { amount, .. } => of(amount),
        Movement::Release { reserved } => -of(reserved),
        Movement::Settle { reserved, actual } => of(actual) - of(reserved),
        Movement::Hold { .. } | Movement::Adopt { .. } | Movement::SettleHeld { .. } => 0,
    }
}

/// That a rescue of `amount` fits, with the value of `:room`.
fn rescue_condition(rescues: &str, budget: Micros, amount: Micros) -> (String, AttributeValue) {
    match budget.checked_sub(amount) {
        Some(room) => {
            let fits = format!("(attribute_not_exists({rescues}) OR {rescues} <= :room)");
            (fits, number(room.get()))
        }
        None => (format!("{rescues} < :room"), number(0)),
    }
}

/// When a movement follows from the row, with the value of `:bound`. Conditions know no arithmetic,
/// so a reservation asks for the headroom that is left below the cap once it is made.
fn condition(account: Account, movement: Movement) -> (String, AttributeValue) {
    let of = |part| column(account, part);
    let committed = of("committed_micros");
    match movement {
        Movement::Reserve { amount, daily_budget } => {
            match daily_budget.percent(CAP_PERCENT).checked_sub(amount) {
                Some(headroom) => {
                    let fits =
                        format!("(attribute_not_exists({committed}) OR {committed} <= :bound)");
                    (fits, number(headroom.get()))
                }
                // Dearer than the whole day: met by no row, and answered like any other that is not.
                None => (format!("{committed} < :bound"), number(0)),
            }
        }
        Movement::Release { reserved }
        | Movement::Settle { reserved, .. }
        | Movement::Hold { reserved } => {
            (format!("{} >= :bound", of("reserved_micros")), number(reserved.get()))
        }
        Movement::Adopt { held } | Movement::SettleHeld { held } => {
            (format!("{} >= :bound", of("held_micros")), number(held.get()))
        }
    }
}
