//! What a failure means, in words: to the customer who reads a code, and to the people who run the house.
//! `docs/failures.md` shows them.

use crate::{outcome::FailClass, render::FailureCode};

/// A failure code of a render.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeMeaning {
    pub customer: &'static str,
    pub ops: &'static str,
}

/// A class of a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassMeaning {
    pub happened: &'static str,
    pub ops: &'static str,
}

impl FailureCode {
    pub const ALL: [Self; 4] =
        [Self::ContentRefused, Self::ProviderUnavailable, Self::BudgetExhausted, Self::TimedOut];

    pub const fn meaning(self) -> CodeMeaning {
        let (customer, ops) = match self {
            Self::ContentRefused => (
                "A photo or the wish was refused for what it shows. Another photo or other words may \
                 do; the same will not.",
                "Nothing, unless `renders_failed` with this code rises for everybody: then a provider \
                 has changed its filters.",
            ),
            Self::ProviderUnavailable => (
                "Nobody could make the picture. The same request may be made again, with another \
                 idempotency key.",
                "`attempts_failed` by class, `GET /v1/health` for breakers and models.",
            ),
            Self::BudgetExhausted => (
                "There is no room for more pictures today. Try again after midnight UTC.",
                "`budget-status`; `daily-budget-usd` and `replicate-daily-budget-usd` raise the limit at \
                 once.",
            ),
            Self::TimedOut => (
                "No picture came within the time that the request gave. The same request may be made \
                 again, with another idempotency key.",
                "`queue_age`, `queue_messages`; stuck predictions and slow jobs in `GET /v1/health`.",
            ),
        };
        CodeMeaning { customer, ops }
    }
}

impl FailClass {
    pub const ALL: [Self; 15] = [
        Self::Provider,
        Self::Platform,
        Self::Missing,
        Self::NoImage,
        Self::Exhausted,
        Self::Unknown,
        Self::Invalid,
        Self::Account,
        Self::Setup,
        Self::Retired,
        Self::Cancelled,
        Self::Expired,
        Self::Deferred,
        Self::Unfunded,
        Self::Diverted,
    ];

    pub const fn meaning(self) -> ClassMeaning {
        let (happened, ops) = match self {
            Self::Provider => (
                "The provider broke or was busy, and said so.",
                "The provider's status page, where it lasts.",
            ),
            Self::Platform => (
                "Replicate's platform broke under the work.",
                "The code in the log; Replicate's support, where one model has it often.",
            ),
            Self::Missing => (
                "A finished job had nothing for this render, or a picture that was made is gone: deleted \
                 an hour after its end, or not at its address.",
                "Where it is frequent: what kept the house from fetching it in time.",
            ),
            Self::NoImage => ("A good answer without a picture.", "Nothing."),
            Self::Exhausted => (
                "The model thought until its output cap was reached.",
                "The entry's cap and its `lighter` entry in the catalogue.",
            ),
            Self::Unknown => (
                "The call may have been paid, and nobody knows. Its money stays held.",
                "`budget_held`; it is looked for, and counts as spent after seven days.",
            ),
            Self::Invalid => (
                "The provider says that our request is wrong, or the model cannot work with its input.",
                "The log names the field or the code. A bug of ours, where it is not one odd picture.",
            ),
            Self::Account => (
                "The account is refused: credentials, billing, credit. The breaker opens.",
                "At once: the token or the key, and the credit.",
            ),
            Self::Setup => (
                "A version, a permission or a host does not suit the provider.",
                "The log says which; the catalogue, the token's permissions.",
            ),
            Self::Retired => (
                "The provider no longer has the model; its successor is asked.",
                "Name a successor in the catalogue.",
            ),
            Self::Cancelled => ("Ended at our wish, or for its time.", "Nothing."),
            Self::Expired => (
                "The provider had no room until the time was over. Nothing was bought.",
                "`provider_calls` with the answer busy; on Replicate the rate limit, and the credit.",
            ),
            Self::Deferred => (
                "The budget had no room until the time was over. Nothing was bought.",
                "`budget_reserved`: it comes back as attempts settle.",
            ),
            Self::Unfunded => ("The day's money is spent. Nothing was bought.", "`budget-status`."),
            Self::Diverted => (
                "The backend's breaker was open. Nothing was bought.",
                "`provider_breaker_open`, and why it opened.",
            ),
        };
        ClassMeaning { happened, ops }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_is_named_once_and_explained() {
        let codes: BTreeSet<_> = FailureCode::ALL.map(FailureCode::as_str).into();
        let classes: BTreeSet<_> = FailClass::ALL.map(FailClass::as_str).into();
        assert_eq!((codes.len(), classes.len()), (FailureCode::ALL.len(), FailClass::ALL.len()));
        // The last of each enum is the last here.
        assert_eq!(FailClass::ALL.len(), FailClass::Diverted as usize + 1);
        assert_eq!(FailureCode::ALL.len(), FailureCode::TimedOut as usize + 1);
        for code in FailureCode::ALL {
            let CodeMeaning { customer, ops } = code.meaning();
            assert!(customer.ends_with('.') && ops.ends_with('.'));
        }
        // A customer is told of no provider.
        for word in ["Google", "Replicate", "credit", "Gemini", "model"] {
            assert!(FailureCode::ALL.iter().all(|code| !code.meaning().customer.contains(word)));
        }
    }
}
