//! What a picture costs: before it is bought (the most it can), and after (what was used).

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Catalogue, Entry, PredictionModel, Quality};
use crate::{chain::Step, lane::Lane, money::Micros};

/// What a render usually sends: a person, a garment and some 200 tokens of words.
const TYPICAL_PICTURES: u64 = 2;
const TYPICAL_WORDS: u64 = 200;

/// Prices in nano-dollars a token ($1.50 per million tokens = 1,500), at the Online lane's rate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub input_nanos: u64,
    /// Text and thinking output.
    pub text_nanos: u64,
    /// Image output.
    pub image_nanos: u64,
    /// Tokens one input picture counts for.
    pub tokens_per_picture: u32,
    /// Tokens the output image counts for at this entry's size.
    pub image_tokens: u32,
    /// The Batch lane's price as a percentage of the Online lane's.
    pub batch_percent: u32,
}

/// Tokens a provider says it used. All optional on the wire; absent counts are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input: u64,
    pub image: u64,
    /// Text and thinking.
    pub text: u64,
}

impl Price {
    /// The most one render can cost: every input byte a token, a picture, and the whole output cap
    /// spent on thinking besides it. Reserved before sending.
    pub fn maximum(
        &self,
        lane: Lane,
        max_output_tokens: u32,
        pictures: u32,
        prompt_bytes: usize,
    ) -> Micros {
        self.of(
            lane,
            Usage {
                input: u64::from(pictures) * u64::from(self.tokens_per_picture)
                    + prompt_bytes as u64,
                image: u64::from(self.image_tokens),
                text: u64::from(max_output_tokens),
            },
        )
    }

    /// What `usage` costs in `lane`.
    pub fn of(&self, lane: Lane, usage: Usage) -> Micros {
        let part = |tokens: u64, nanos: u64| u128::from(tokens) * u128::from(nanos);
        let full = part(usage.input, self.input_nanos)
            + part(usage.image, self.image_nanos)
            + part(usage.text, self.text_nanos);
        match lane {
            Lane::Online => Micros::from_nanos_rounded_up(full),
            Lane::Batch => {
                let hundredths = full * u128::from(self.batch_percent);
                Micros::from_nanos_rounded_up(hundredths.div_ceil(100))
            }
        }
    }
}

impl Entry {
    /// What one render usually costs in `lane`. For forecasts only: nothing is decided by it.
    pub fn typical(&self, lane: Lane) -> Micros {
        let pictures = TYPICAL_PICTURES * u64::from(self.price.tokens_per_picture);
        self.price.of(
            lane,
            Usage {
                input: pictures + TYPICAL_WORDS,
                image: u64::from(self.price.image_tokens),
                text: u64::from(self.typical_text_tokens),
            },
        )
    }
}

impl Catalogue {
    /// What enlarging a picture of `entry` to what `quality` promises costs; nothing where it is large
    /// enough.
    pub fn enlarging(&self, quality: Quality, entry: &Entry) -> Micros {
        let upscale = self.prediction(Step::Upscale).filter(|_| entry.size < quality.size());
        upscale.map_or(Micros::ZERO, PredictionModel::maximum)
    }

    /// What so many images of each quality and lane would usually cost on `day`; none where a
    /// quality has no model that day.
    pub fn forecast(&self, day: NaiveDate, images: &[(Quality, Lane, u64)]) -> Option<Micros> {
        images
            .iter()
            .map(|&(quality, lane, count)| {
                let (_, entry) = self.entry_for(quality, day)?;
                Some((entry.typical(lane) + self.enlarging(quality, entry)).times(count))
            })
            .sum()
    }
}
