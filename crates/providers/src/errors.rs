//! What a call that brought nothing means, whoever was called.

use std::time::Duration;

use tryon_core::{
    outcome::FailClass,
    ports::{CallError, PortError, TransportError},
};

/// What a call is for, which decides what its loss means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Billed and not idempotent: once lost, nobody knows.
    Purchase,
    /// Costs nothing and may be repeated.
    Free,
    /// Costs nothing, and belongs to something that can be begun anew where it is not taken.
    Part,
}

impl Purpose {
    /// Sent, and no usable answer came.
    pub(crate) fn lost(self, reason: impl Into<String>) -> CallError {
        match self {
            Self::Purchase => CallError::Unknown(reason.into()),
            Self::Free | Self::Part => not_created(reason, None),
        }
    }

    pub(crate) fn transport(self, error: &TransportError) -> CallError {
        match error {
            TransportError::NotConnected(_) => not_created(error.to_string(), None),
            TransportError::NoAnswer(_) => self.lost(error.to_string()),
        }
    }
}

pub(crate) fn not_created(reason: impl Into<String>, retry_after: Option<Duration>) -> CallError {
    CallError::NotCreated { reason: reason.into(), retry_after, ours: false }
}

/// A part of ours was away, and nothing was sent, or not to its end.
pub(crate) fn ours_away(reason: impl Into<String>) -> CallError {
    CallError::NotCreated { reason: reason.into(), retry_after: None, ours: true }
}

pub(crate) fn rejected(class: FailClass, reason: impl Into<String>) -> CallError {
    CallError::Rejected { class, reason: reason.into() }
}

/// A secret of ours that could not be read, before anything was sent.
pub(crate) fn unreadable(secret: &str, error: &PortError) -> CallError {
    let reason = format!("{secret} could not be read: {error}");
    match error {
        PortError::Unavailable(_) => ours_away(reason),
        PortError::Broken(_) => rejected(FailClass::Account, reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_transport_means() {
        let refused = TransportError::NotConnected("refused".to_owned());
        let silent = TransportError::NoAnswer("timeout".to_owned());
        for purpose in [Purpose::Purchase, Purpose::Free, Purpose::Part] {
            assert!(matches!(purpose.transport(&refused), CallError::NotCreated { .. }));
        }
        assert!(matches!(Purpose::Purchase.transport(&silent), CallError::Unknown(_)));
        assert!(matches!(Purpose::Free.transport(&silent), CallError::NotCreated { .. }));
    }
}
