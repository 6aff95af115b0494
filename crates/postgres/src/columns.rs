//! Columns to the core's types. What a row says is parsed, never trusted.

use std::fmt;

use chrono::{DateTime, SubsecRound, Utc};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IntoDeserializer, value::Error},
};
use sqlx::types::{Json, JsonRawValue};
use tryon_core::{messages::is_newer, ports::PortError};

use crate::errors::Inconsistency;

/// JSON as it lies in the row: read apart from it, so that a broken one is that row's own trouble.
pub(crate) type Raw = Json<Box<JsonRawValue>>;

/// The row whose columns are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowOf<'a> {
    pub(crate) table: &'static str,
    pub(crate) id: &'a str,
}

impl RowOf<'_> {
    pub(crate) fn wrong(self, column: &'static str) -> Inconsistency {
        Inconsistency { table: self.table, id: self.id.to_owned(), column, newer: false }
    }

    /// A word that this release does not know.
    pub(crate) fn newer(self, column: &'static str) -> Inconsistency {
        Inconsistency { newer: true, ..self.wrong(column) }
    }

    fn unread(self, column: &'static str, error: &impl fmt::Display) -> Inconsistency {
        if is_newer(error) { self.newer(column) } else { self.wrong(column) }
    }

    /// A word of an enum.
    pub(crate) fn word<T: DeserializeOwned>(
        self,
        column: &'static str,
        word: &str,
    ) -> Result<T, Inconsistency> {
        T::deserialize(IntoDeserializer::<Error>::into_deserializer(word))
            .map_err(|error| self.unread(column, &error))
    }

    pub(crate) fn number<T: TryFrom<i64>>(
        self,
        column: &'static str,
        number: i64,
    ) -> Result<T, Inconsistency> {
        T::try_from(number).map_err(|_| self.wrong(column))
    }

    pub(crate) fn json<'de, T: Deserialize<'de>>(
        self,
        column: &'static str,
        json: &'de Raw,
    ) -> Result<T, Inconsistency> {
        serde_json::from_str(json.0.get()).map_err(|error| self.unread(column, &error))
    }

    /// A column that its row's state wants to be there.
    pub(crate) fn present<T>(
        self,
        column: &'static str,
        value: Option<T>,
    ) -> Result<T, Inconsistency> {
        value.ok_or_else(|| self.wrong(column))
    }
}

/// A time as Postgres keeps it: the one place where what is finer than a microsecond is cut off.
pub(crate) fn stored_time(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(6)
}

/// JSON as a statement takes it where it is to stay text: `jsonb` costs a parse to no end.
pub(crate) fn as_text(value: &impl Serialize) -> Result<String, PortError> {
    serde_json::to_string(value).map_err(|error| PortError::Broken(error.to_string()))
}

/// A count as Postgres keeps it.
pub(crate) fn stored_count(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// The rows that make sense. One that does not is told of, and hides none of its neighbours.
pub(crate) fn legible<T, R>(rows: Vec<R>) -> Vec<T>
where
    T: TryFrom<R, Error = Inconsistency>,
{
    let told = |error: &Inconsistency| tracing::error!(%error, "a row was passed over");
    rows.into_iter().filter_map(|row| T::try_from(row).inspect_err(told).ok()).collect()
}
