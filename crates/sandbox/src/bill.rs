//! What Google would charge for.

use chrono::{DateTime, Utc};
use tryon_core::{lane::Lane, money::Micros};

/// One charge: an online answer, or a row of a batch job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The job's display name, or the online request's key.
    pub attempt: String,
    /// The row's key, or the online request's key.
    pub key: String,
    pub model: String,
    pub lane: Lane,
    /// Nano-dollars, not rounded.
    pub nanos: u128,
    /// Whether the caller was given the answer this pays for.
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

    pub fn of<'a>(&'a self, attempt: &'a str) -> impl Iterator<Item = &'a Charge> {
        self.charges.iter().filter(move |charge| charge.attempt == attempt)
    }
}
