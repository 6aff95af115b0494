use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use serde_json::Value;
use tryon_core::{
    attempt::{Attempt, AttemptState},
    budget::{Account, Balance},
    ids::AttemptId,
    messages::is_newer,
    money::Micros,
    ports::PortError,
};

use super::{Item, number, text};

pub(super) const ID: &str = "attempt_id";
pub(super) const VERSION: &str = "version";
pub(super) const DUE_SHARD: &str = "due_shard";
pub(super) const DUE_AT: &str = "due_at";
/// For ops who look at the table; read by nobody here.
const STATE: &str = "state";
/// The attempt itself, as JSON.
const DOC: &str = "doc";
/// Which write made the row: how a writer knows its own when the acknowledgement was lost.
const WRITE_ID: &str = "write_id";
/// The table's expiry, in epoch seconds.
const EXPIRES_AT: &str = "expires_at";
/// How long an attempt that is over stays.
const KEPT_FOR: TimeDelta = TimeDelta::days(45);

/// Which attribute of a stored row is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("{0} is missing or of another type")]
    Absent(String),
    #[error("{0} cannot be read")]
    Malformed(String),
    #[error("{0} is not what the rest of the row says")]
    Differs(String),
    #[error("{0} was written by a newer release")]
    Newer(String),
}

impl Unreadable {
    pub(super) fn in_row(&self, table: &str, key: &str) -> PortError {
        let text = format!("{table}, row {key}: {self}");
        match self {
            // Left for that release.
            Self::Newer(_) => PortError::Unavailable(text),
            Self::Absent(_) | Self::Malformed(_) | Self::Differs(_) => PortError::Broken(text),
        }
    }

    /// An attribute that is not the JSON it should be.
    pub(super) fn json(name: &str, error: &serde_json::Error) -> Self {
        let name = name.to_owned();
        if is_newer(error) { Self::Newer(name) } else { Self::Malformed(name) }
    }
}

/// The row of an attempt. It has a place in the index only while it is due, and an expiry only once
/// nothing is owed: neither money nor news.
pub(super) fn from_attempt(attempt: &Attempt, write_id: &str) -> Result<Item, PortError> {
    let unwritable = |_| PortError::Broken(format!("attempt {} is no JSON", attempt.id));
    let doc = serde_json::to_value(attempt).map_err(unwritable)?;
    let state = doc.pointer("/state/state").and_then(Value::as_str).unwrap_or_default();
    let mut item = Item::from([
        (ID.to_owned(), text(attempt.id.as_str())),
        (VERSION.to_owned(), number(attempt.version)),
        (STATE.to_owned(), text(state)),
        (DOC.to_owned(), text(doc.to_string())),
        (WRITE_ID.to_owned(), text(write_id)),
    ]);
    if let Some(due_at) = attempt.due_at {
        item.insert(DUE_SHARD.to_owned(), number(attempt.batch_id.shard()));
        item.insert(DUE_AT.to_owned(), number(due_at.timestamp_millis()));
    } else if let AttemptState::Settled { at, .. } | AttemptState::NeverBought { at, .. } =
        attempt.state
        && attempt.announced
    {
        item.insert(EXPIRES_AT.to_owned(), number((at + KEPT_FOR).timestamp()));
    }
    Ok(item)
}

pub(super) fn to_attempt(item: &Item) -> Result<Attempt, Unreadable> {
    let doc = text_of(item, DOC)?;
    let attempt: Attempt =
        serde_json::from_str(doc).map_err(|error| Unreadable::json(DOC, &error))?;
    if text_of(item, ID)? != attempt.id.as_str() {
        return Err(Unreadable::Differs(ID.to_owned()));
    }
    if number_of(item, VERSION)? != Some(attempt.version) {
        return Err(Unreadable::Differs(VERSION.to_owned()));
    }
    Ok(attempt)
}

pub(super) fn id(item: &Item) -> Result<AttemptId, Unreadable> {
    text_of(item, ID).map(AttemptId::from)
}

pub(super) fn is_written_by(item: &Item, write_id: &str) -> bool {
    text_of(item, WRITE_ID) == Ok(write_id)
}

/// The money of `account` in a day's row; nothing where it never moved.
pub(super) fn to_balance(item: &Item, account: Account) -> Result<Balance, Unreadable> {
    let part = |part| number_of(item, &column(account, part)).map(Option::unwrap_or_default);
    let balance = Balance {
        reserved: Micros::new(part("reserved_micros")?),
        settled: Micros::new(part("settled_micros")?),
        held: Micros::new(part("held_micros")?),
        reservations: part("reservations")?,
        rescues: Micros::new(part(RESCUES)?),
    };
    // The one that the cap is kept by.
    if Micros::new(part("committed_micros")?) == balance.committed() {
        Ok(balance)
    } else {
        Err(Unreadable::Differs(column(account, "committed_micros")))
    }
}

/// What of an account's money is for rescues; there once there was one.
pub(super) const RESCUES: &str = "rescues_micros";

/// The name of an account's attribute in a day's row.
pub(super) fn column(account: Account, part: &str) -> String {
    let account = match account {
        Account::Google => "google",
        Account::Replicate => "replicate",
    };
    format!("{account}_{part}")
}

pub(super) fn text_of<'a>(item: &'a Item, name: &str) -> Result<&'a str, Unreadable> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(Unreadable::Absent(name.to_owned())),
    }
}

pub(super) fn number_of(item: &Item, name: &str) -> Result<Option<u64>, Unreadable> {
    let malformed = |_| Unreadable::Malformed(name.to_owned());
    match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::N(number)) => number.parse().map(Some).map_err(malformed),
        Some(_) => Err(Unreadable::Absent(name.to_owned())),
    }
}
