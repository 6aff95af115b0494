//! Models that run predictions: one for each step of the chain that is not Google's own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Size;
use crate::money::Micros;

/// A model behind a prediction API, pinned, with its price and limits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictionModel {
    /// `owner/name`.
    pub model: String,
    /// 64 hex digits. Absent for an official model, which the provider itself keeps current.
    pub version: Option<String>,
    /// The long side of its pictures.
    pub size: Size,
    /// Input pictures it accepts, the person included.
    pub max_pictures: u32,
    /// The longest a prediction may take from its creation, waiting included, in seconds. It is ended
    /// then, so this also bounds what a model priced by the second can cost.
    pub max_seconds: u32,
    pub price: PredictionPrice,
    /// The instruction, with `{person}`, `{garments}` and `{wish}` to fill in; empty for a model that
    /// takes none.
    #[serde(default)]
    pub prompt: String,
}

/// What a prediction costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PredictionPrice {
    /// Micro-dollars for each picture that comes out.
    PictureMicros(u64),
    /// Nano-dollars for each second that the model ran.
    SecondNanos(u64),
}

impl PredictionModel {
    /// The most that one prediction can cost; reserved before it is created.
    pub fn maximum(&self) -> Micros {
        match self.price {
            PredictionPrice::PictureMicros(micros) => Micros::new(micros),
            PredictionPrice::SecondNanos(nanos) => {
                Micros::from_nanos_rounded_up(u128::from(nanos) * u128::from(self.max_seconds))
            }
        }
    }

    /// What a prediction costs that brought `pictures` and ran for `run`, as the provider says. None
    /// where it is priced by what the provider does not say.
    pub fn bill(&self, pictures: usize, run: Option<Duration>) -> Option<Micros> {
        match self.price {
            PredictionPrice::PictureMicros(micros) => {
                Some(Micros::new(micros).times(pictures as u64))
            }
            // Nano-dollars a second times nanoseconds: 10^-18 dollars.
            PredictionPrice::SecondNanos(nanos) => run.map(|run| {
                let cost = u128::from(nanos).saturating_mul(run.as_nanos());
                Micros::from_nanos_rounded_up(cost.div_ceil(1_000_000_000))
            }),
        }
    }
}
