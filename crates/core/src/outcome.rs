//! What an attempt gave for one render.

use serde::{Deserialize, Serialize};

use crate::{catalogue::Size, chain::Fidelity, ids::RenderId, money::Micros, picture::PictureRef};

/// What an attempt gave for one render. Provider texts stay out: they never reach a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    Image {
        picture: PictureRef,
        fidelity: Fidelity,
        /// The long side the model was asked for.
        size: Size,
    },
    /// Refused for its content: ends the render, and no other model is tried.
    Refused,
    Failed {
        class: FailClass,
    },
}

/// Why there is no picture, as far as the next decision needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailClass {
    /// The provider broke, and said so: retryable.
    Provider,
    /// The provider's platform broke under our work: once more, and no oftener.
    Platform,
    /// A finished batch job had no row for this render: retryable. Or a picture was made, and is gone
    /// from where it lay: that is not bought again.
    Missing,
    /// A good answer without a picture: one more try on Google.
    NoImage,
    /// The model thought until its output cap was reached, and drew nothing: one more try, thinking
    /// less.
    Exhausted,
    /// The call may have been paid, and nobody knows: never repeated without a grant.
    Unknown,
    /// The provider says our request is wrong; the same request will not do better.
    Invalid,
    /// Credentials or billing: a person is needed.
    Account,
    /// How we are set up does not suit the provider (a version, a permission, a host): a person is
    /// needed for this, and the account serves whatever else is asked of it.
    Setup,
    /// The provider no longer has the model: its successor in the catalogue is tried.
    Retired,
    /// Cancelled at our wish.
    Cancelled,
    /// Not bought before the first of its renders ran out of time: retryable for the others.
    Expired,
    /// Not bought while the budget had no room yet: retryable like the last.
    Deferred,
    /// Not bought for lack of budget.
    Unfunded,
    /// Not bought because the backend's health breaker was open: the provider was not even asked.
    Diverted,
}

impl FailClass {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Platform => "platform",
            Self::Missing => "missing",
            Self::NoImage => "no_image",
            Self::Exhausted => "exhausted",
            Self::Unknown => "unknown",
            Self::Invalid => "invalid",
            Self::Account => "account",
            Self::Setup => "setup",
            Self::Retired => "retired",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Deferred => "deferred",
            Self::Unfunded => "unfunded",
            Self::Diverted => "diverted",
        }
    }
}

/// One render's part of an attempt: its outcome and what it cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderOutcome {
    pub render_id: RenderId,
    pub outcome: Outcome,
    /// Settled cost of this render in this attempt; zero while unknown or never bought.
    pub cost: Micros,
}
