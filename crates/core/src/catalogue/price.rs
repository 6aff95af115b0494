//! What a picture costs: before it is bought (the most it can), and after (what was used).

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Catalogue, Entry, PredictionModel, Quality};
use crate::{chain::Step, lane::Lane, money::Micros};

/// What a render usually sends: a person, a garment and some 200 tokens of words.
const TYPICAL_PICTURES: u64 = 2;
const TYPICAL_WORDS: u64 = 200;

/// Prices in nano-dollars a token ($1.50 per million tokens = 1,500), at the Online lane's rate. A
/// model that is priced by the picture has none but that of a picture, which counts as one token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Parts")]
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

/// A price as the catalogue writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    picture_micros: Option<u64>,
    input_nanos: Option<u64>,
    text_nanos: Option<u64>,
    image_nanos: Option<u64>,
    tokens_per_picture: Option<u32>,
    image_tokens: Option<u32>,
    batch_percent: Option<u32>,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "give a price by tokens (input_nanos, text_nanos, image_nanos, tokens_per_picture, \
         image_tokens, batch_percent) or by the picture (picture_micros alone)"
)]
struct NoPrice;

impl TryFrom<Parts> for Price {
    type Error = NoPrice;

    fn try_from(parts: Parts) -> Result<Self, NoPrice> {
        match parts {
            Parts {
                picture_micros: Some(micros),
                input_nanos: None,
                text_nanos: None,
                image_nanos: None,
                tokens_per_picture: None,
                image_tokens: None,
                batch_percent: None,
            } => Ok(Self::by_picture(micros)),
            Parts {
                picture_micros: None,
                input_nanos: Some(input_nanos),
                text_nanos: Some(text_nanos),
                image_nanos: Some(image_nanos),
                tokens_per_picture: Some(tokens_per_picture),
                image_tokens: Some(image_tokens),
                batch_percent: Some(batch_percent),
            } => Ok(Self {
                input_nanos,
                text_nanos,
                image_nanos,
                tokens_per_picture,
                image_tokens,
                batch_percent,
            }),
            _ => Err(NoPrice),
        }
    }
}

/// Tokens a provider says it used. All optional on the wire; absent counts are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input: u64,
    /// Pictures, where these have a price of their own.
    pub image: u64,
    /// Text and thinking.
    pub text: u64,
}

impl Price {
    /// So many micro-dollars for each picture that comes out, and nothing else.
    pub const fn by_picture(micros: u64) -> Self {
        Self {
            input_nanos: 0,
            text_nanos: 0,
            image_nanos: micros.saturating_mul(1_000),
            tokens_per_picture: 0,
            image_tokens: 1,
            batch_percent: 100,
        }
    }

    pub const fn is_by_picture(&self) -> bool {
        self.tokens_per_picture == 0 && self.image_tokens == 1 && self.input_nanos == 0
    }

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
