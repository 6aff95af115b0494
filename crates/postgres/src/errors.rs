use std::io::ErrorKind;

use sqlx::error::DatabaseError;
use tryon_core::ports::PortError;

/// A row that contradicts itself, or holds a word nobody knows. Names the place, never what is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {id} of {table} {} in column {column}", self.what())]
pub(crate) struct Inconsistency {
    pub(crate) table: &'static str,
    pub(crate) id: String,
    pub(crate) column: &'static str,
    /// Whether it is a word of an enum that this release does not know.
    pub(crate) newer: bool,
}

impl Inconsistency {
    const fn what(&self) -> &'static str {
        if self.newer { "was written by a newer release" } else { "makes no sense" }
    }
}

/// Why a call did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Driver(#[from] sqlx::Error),
    #[error(transparent)]
    Row(#[from] Inconsistency),
    #[error(transparent)]
    Port(#[from] PortError),
}

impl Failure {
    /// Another transaction was in the way, and may not be the next time.
    pub(crate) fn is_race(&self) -> bool {
        let Self::Driver(sqlx::Error::Database(error)) = self else { return false };
        match error.code().as_deref() {
            Some("40001" | "40P01") => true,
            Some("23505") => error.constraint() == Some("batches_one_open"),
            _ => false,
        }
    }

    /// The server did not let us in.
    pub(crate) fn is_refused_login(&self) -> bool {
        let Self::Driver(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| code.starts_with("28"))
    }
}

impl From<Failure> for PortError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Driver(error) => port_error(&error),
            // Left for the release that wrote it.
            Failure::Row(error) if error.newer => Self::Unavailable(error.to_string()),
            Failure::Row(error) => Self::Broken(error.to_string()),
            Failure::Port(error) => error,
        }
    }
}

/// What a failed call means to its caller. The text has the server's code and the name of the
/// constraint alone: messages of servers repeat what was sent.
pub(crate) fn port_error(error: &sqlx::Error) -> PortError {
    let unavailable = |text: &str| PortError::Unavailable(format!("database {text}"));
    let broken = |text: &str| PortError::Broken(format!("database {text}"));
    match error {
        sqlx::Error::Database(error) => refusal(error.as_ref()),
        sqlx::Error::Tls(_) => unavailable("connection not secure"),
        // So says the TLS library of a certificate that will not do.
        sqlx::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            unavailable("connection not secure")
        }
        sqlx::Error::Io(error) => unavailable(&format!("unreachable: {}", error.kind())),
        sqlx::Error::Protocol(_) => unavailable("answers are not understood"),
        sqlx::Error::PoolTimedOut => unavailable("connection timed out"),
        sqlx::Error::PoolClosed => unavailable("connections are closed"),
        sqlx::Error::WorkerCrashed => unavailable("connection lost"),
        sqlx::Error::BeginFailed => unavailable("transaction did not begin"),
        sqlx::Error::Migrate(_) => broken("migrations do not fit"),
        sqlx::Error::Configuration(_) => broken("connection is set up wrongly"),
        sqlx::Error::Encode(_) | sqlx::Error::InvalidArgument(_) => broken("value cannot be sent"),
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => broken("value cannot be read"),
        _ => broken("query does not fit the schema"),
    }
}

fn refusal(error: &dyn DatabaseError) -> PortError {
    let code = error.code().unwrap_or_default();
    let constraint = error.constraint().map(|name| format!(" ({name})")).unwrap_or_default();
    let text = format!("database refused: {code}{constraint}");
    if may_pass(&code) { PortError::Unavailable(text) } else { PortError::Broken(text) }
}

/// Whether a SQLSTATE may be gone the next time.
fn may_pass(code: &str) -> bool {
    match code {
        // Read-only: the old primary, after a failover. Aborted: the connection's own past.
        "25006" | "25P02" | "25P03" => true,
        _ => matches!(
            code.get(..2),
            // Connection, login (which ops mend), rollback, resources, locks and limits, operators, system.
            Some("08" | "28" | "40" | "53" | "55" | "57" | "58")
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, error::Error, fmt, io};

    use sqlx::error;

    use super::*;

    /// What a server answers, a customer's words included.
    #[derive(Debug)]
    struct Refusal(&'static str, Option<&'static str>);

    impl fmt::Display for Refusal {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("hunter2")
        }
    }

    impl Error for Refusal {}

    impl DatabaseError for Refusal {
        fn message(&self) -> &'static str {
            "hunter2"
        }
        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }
        fn constraint(&self) -> Option<&str> {
            self.1
        }
        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            self
        }
        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
            self
        }
        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
            self
        }
        fn kind(&self) -> error::ErrorKind {
            error::ErrorKind::Other
        }
    }

    fn refused(code: &'static str, constraint: Option<&'static str>) -> sqlx::Error {
        sqlx::Error::Database(Box::new(Refusal(code, constraint)))
    }

    #[test]
    fn what_may_pass_is_unavailable() {
        let secret = || "hunter2".to_owned();
        let lost = io::Error::new(io::ErrorKind::ConnectionReset, "hunter2");
        let codes = [
            "08006", "08P01", "25006", "28000", "28P01", "40001", "40P01", "53100", "53300",
            "55P03", "57014", "57P01", "57P03", "58030",
        ];
        let errors = [
            sqlx::Error::Io(lost),
            sqlx::Error::Tls(secret().into()),
            sqlx::Error::Protocol(secret()),
            sqlx::Error::PoolTimedOut,
            sqlx::Error::PoolClosed,
            sqlx::Error::WorkerCrashed,
            sqlx::Error::BeginFailed,
        ];
        for error in errors.into_iter().chain(codes.map(|code| refused(code, None))) {
            let mapped = port_error(&error);
            assert!(matches!(mapped, PortError::Unavailable(_)), "{error:?}");
            assert!(!mapped.to_string().contains("hunter2"), "{mapped}");
        }
    }

    #[test]
    fn what_will_not_pass_is_broken() {
        let secret = || "hunter2".to_owned();
        let codes = ["22001", "22021", "23502", "23505", "23514", "42601", "42P01", "XX000", ""];
        let decode = |index| sqlx::Error::ColumnDecode { index, source: "hunter2".into() };
        let errors = [
            sqlx::Error::Configuration(secret().into()),
            sqlx::Error::Encode(secret().into()),
            sqlx::Error::InvalidArgument(secret()),
            sqlx::Error::Decode(secret().into()),
            decode(secret()),
            sqlx::Error::RowNotFound,
            sqlx::Error::ColumnNotFound(secret()),
            sqlx::Error::TypeNotFound { type_name: secret() },
        ];
        for error in errors.into_iter().chain(codes.map(|code| refused(code, None))) {
            let mapped = port_error(&error);
            assert!(matches!(mapped, PortError::Broken(_)), "{error:?}");
            assert!(!mapped.to_string().contains("hunter2"), "{mapped}");
        }
    }

    #[test]
    fn a_refusal_names_code_and_constraint() {
        let mapped = port_error(&refused("23505", Some("renders_pkey")));
        assert_eq!(mapped.to_string(), "database refused: 23505 (renders_pkey)");
    }

    #[test]
    fn only_races_are_run_again() {
        let race = |code, constraint| Failure::from(refused(code, constraint)).is_race();
        assert!(race("40001", None) && race("40P01", None));
        assert!(race("23505", Some("batches_one_open")));
        assert!(!race("23505", Some("renders_pkey")) && !race("55P03", None));
    }
}
