//! What a customer thinks of a picture.

use serde::{Deserialize, Serialize};

/// One to five; five is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Rating(u8);

/// Why a number is no rating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number from 1 to 5")]
pub struct NotRating;

impl Rating {
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Rating {
    type Error = NotRating;

    fn try_from(number: u8) -> Result<Self, NotRating> {
        if (1..=5).contains(&number) { Ok(Self(number)) } else { Err(NotRating) }
    }
}

impl From<Rating> for u8 {
    fn from(rating: Rating) -> Self {
        rating.0
    }
}
