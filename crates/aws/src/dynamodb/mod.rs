//! Attempts, the ledger's day rows and the backends' health, in tables of `DynamoDB`.

mod attempts;
mod cancellation;
mod due;
mod health;
mod item;
mod ledger;
mod patience;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use aws_sdk_dynamodb::{error::BuildError, types::AttributeValue};
use tryon_core::ports::PortError;

pub use self::{
    attempts::{DynamoAttempts, Tables},
    health::DynamoHealth,
    ledger::DynamoLedger,
};

/// A row as the service has it.
type Item = HashMap<String, AttributeValue>;

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// A part of a request left out: ours to mend.
fn unbuilt(error: &BuildError) -> PortError {
    PortError::Broken(format!("DynamoDB: {error}"))
}
