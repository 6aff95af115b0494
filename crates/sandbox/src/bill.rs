//! What the providers would charge for.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tryon_core::{lane::Lane, money::Micros};

/// Who charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    Google,
    Replicate,
}

/// One charge: an online answer, a row of a batch job, or a prediction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub provider: Provider,
    /// The job's display name, the online request's key, or the `x-attempt` in the address of a
    /// prediction's input, without one its id.
    pub attempt: String,
    /// The row's key, the online request's key, or the prediction's id.
    pub key: String,
    pub model: String,
    pub lane: Lane,
    /// Nano-dollars, not rounded.
    pub nanos: u128,
    /// Whether the caller was given the answer this pays for; of a prediction, whether its create was
    /// answered or its end was told later.
    pub answered: bool,
    pub at: DateTime<Utc>,
}

impl Charge {
    /// The charge as one outcome costs it: rounded up once.
    pub fn micros(&self) -> Micros {
        Micros::from_nanos_rounded_up(self.nanos)
    }
}

/// All charges, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    pub charges: Vec<Charge>,
}

impl Bill {
    /// Every charge rounded up on its own.
    pub fn total(&self) -> Micros {
        self.charges.iter().map(Charge::micros).sum()
    }

    /// The charges for which the caller was given an answer, and those for which not.
    pub fn by_answer(&self) -> (Micros, Micros) {
        let sum = |answered: bool| {
            self.charges.iter().filter(|c| c.answered == answered).map(Charge::micros).sum()
        };
        (sum(true), sum(false))
    }

    /// What one provider charges.
    #[must_use]
    pub fn of_provider(&self, provider: Provider) -> Self {
        let charges = self.charges.iter().filter(|charge| charge.provider == provider);
        Self { charges: charges.cloned().collect() }
    }

    pub fn of<'a>(&'a self, attempt: &'a str) -> impl Iterator<Item = &'a Charge> {
        self.charges.iter().filter(move |charge| charge.attempt == attempt)
    }
}
