use std::{fmt, sync::Arc};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, transact_write_items::TransactWriteItemsError},
    types::{Put, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem},
};
use chrono::{DateTime, NaiveDate, Utc};
use tryon_core::{
    attempt::{Attempt, AttemptWrite},
    budget::{Account, Balance, Balances, LedgerEntry},
    ids::AttemptId,
    ports::{Attempts, Clock, Ledger, PortError, Random, Written},
};

use super::{
    Item,
    cancellation::{Tried, judge, lost_race},
    item,
    ledger::{self, Day},
    number,
    patience::Patience,
    text, unbuilt,
};
use crate::{Clients, errors::port_error};

/// The names of the tables.
#[derive(Clone, Debug)]
pub struct Tables {
    /// `provider_attempts_${Stage}`: key `attempt_id`; index `due` by `due_shard` and `due_at`, keys
    /// only; expiry by `expires_at`.
    pub attempts: String,
    /// `gemini_budget_tracking_${Stage}`: key `date`.
    pub budget: String,
}

/// Attempts and the ledger: an attempt and its money change in one transaction.
pub struct DynamoAttempts {
    pub(super) clients: Arc<Clients>,
    pub(super) tables: Tables,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
}

impl fmt::Debug for DynamoAttempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoAttempts").field("tables", &self.tables).finish_non_exhaustive()
    }
}

impl DynamoAttempts {
    pub fn new(
        clients: Arc<Clients>,
        tables: Tables,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { clients, tables, clock, random }
    }

    pub(super) fn patience(&self) -> Patience<'_> {
        Patience::new(self.clock.as_ref(), self.random.as_ref())
    }

    /// Writes the attempt alone.
    async fn put(&self, write: &AttemptWrite, write_id: &str) -> Result<Tried, PortError> {
        let condition = Condition::of(write);
        let put = self.clients.dynamodb().put_item();
        let sent = put
            .table_name(&self.tables.attempts)
            .set_item(Some(item::from_attempt(&write.attempt, write_id)?))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(condition.values)
            .return_values_on_condition_check_failure(AllOld)
            .send()
            .await;
        let Err(error) = sent else { return Ok(Tried::Answered(Written::Done)) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                Ok(lost_race(failed.item(), write_id))
            }
            Some(PutItemError::TransactionConflictException(_)) => Ok(Tried::Met),
            _ => Err(port_error("PutItem", &error)),
        }
    }

    /// Writes the attempt and moves its money, or does neither.
    async fn transact(
        &self,
        write: &AttemptWrite,
        entry: LedgerEntry,
        write_id: &str,
    ) -> Result<Tried, PortError> {
        let condition = Condition::of(write);
        let put = Put::builder()
            .table_name(&self.tables.attempts)
            .set_item(Some(item::from_attempt(&write.attempt, write_id)?))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(condition.values)
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .map_err(|error| unbuilt(&error))?;
        let update = ledger::update(&self.tables.budget, entry)?;
        let transaction = self.clients.dynamodb().transact_write_items();
        let sent = transaction
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().update(update).build())
            .client_request_token(write_id)
            .send()
            .await;
        let Err(error) = sent else { return Ok(Tried::Answered(Written::Done)) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let reasons = cancelled.cancellation_reasons();
                judge(reasons, write, entry, write_id, &self.tables.budget)
            }
            _ => Err(port_error("TransactWriteItems", &error)),
        }
    }
}

#[async_trait]
impl Attempts for DynamoAttempts {
    async fn get(&self, id: &AttemptId) -> Result<Option<Attempt>, PortError> {
        let get = self.clients.dynamodb().get_item().consistent_read(true);
        let answer = get
            .table_name(&self.tables.attempts)
            .key(item::ID, text(id.as_str()))
            .send()
            .await
            .map_err(|error| port_error("GetItem", &error))?;
        let attempt = answer.item().map(item::to_attempt).transpose();
        attempt.map_err(|unreadable| unreadable.in_row(&self.tables.attempts, id.as_str()))
    }

    async fn write(&self, write: &AttemptWrite) -> Result<Written, PortError> {
        let write_id = format!("{:016x}{:016x}", self.random.next_u64(), self.random.next_u64());
        let mut patience = self.patience();
        loop {
            let tried = match write.ledger {
                None => self.put(write, &write_id).await?,
                Some(entry) => self.transact(write, entry, &write_id).await?,
            };
            match tried {
                Tried::Answered(written) => return Ok(written),
                Tried::Met if patience.wait().await => {}
                Tried::Met => {
                    let reason = "a write kept meeting other transactions".to_owned();
                    return Err(PortError::Unavailable(reason));
                }
            }
        }
    }

    async fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Attempt>, PortError> {
        self.find_due(now, most).await
    }
}

#[async_trait]
impl Ledger for DynamoAttempts {
    async fn balances(&self, date: NaiveDate) -> Result<Balances, PortError> {
        Day::read(&self.clients, &self.tables.budget, date).await?.balances()
    }

    async fn balance(&self, account: Account, date: NaiveDate) -> Result<Balance, PortError> {
        Day::read(&self.clients, &self.tables.budget, date).await?.balance(account)
    }
}

/// That the attempt's row is the one to be replaced.
struct Condition {
    expression: &'static str,
    values: Option<Item>,
}

impl Condition {
    fn of(write: &AttemptWrite) -> Self {
        match write.replaces {
            None => Self { expression: "attribute_not_exists(attempt_id)", values: None },
            Some(version) => {
                let values = Item::from([(":replaces".to_owned(), number(version))]);
                Self { expression: "version = :replaces", values: Some(values) }
            }
        }
    }
}
