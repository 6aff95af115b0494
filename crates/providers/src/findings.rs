//! What a look at a provider found.

use std::fmt::Display;

use tryon_core::ports::CallError;
pub use tryon_core::ports::{Finding, FindingState as State};

pub(crate) fn missing(why: impl Display) -> State {
    State::Missing(why.to_string())
}

/// A refusal stays until somebody does something; anything else may pass by itself.
pub(crate) fn refused(error: CallError) -> State {
    match error {
        CallError::Rejected { reason, .. } => State::Missing(reason),
        error => State::Unanswered(error.to_string()),
    }
}
