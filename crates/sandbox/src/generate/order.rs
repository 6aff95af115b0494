//! A request that its model takes, reduced to what the answer follows from.

use std::sync::Arc;

use tryon_core::catalogue::{Price, Size, Thinking};

use super::draft::Draft;
use crate::{
    auth::Product,
    lots::Hash,
    models::{Model, Tokens},
    rpc::ApiError,
    shelf::Input,
};

/// Aspect ratios with their true width and height at 1K; larger sizes multiply.
const RATIOS: [(&str, u32, u32); 15] = [
    ("1:1", 1_024, 1_024),
    ("4:3", 1_200, 896),
    ("3:4", 896, 1_200),
    ("4:5", 928, 1_152),
    ("5:4", 1_152, 928),
    ("2:3", 848, 1_264),
    ("3:2", 1_264, 848),
    ("9:16", 768, 1_376),
    ("16:9", 1_376, 768),
    ("21:9", 1_584, 672),
    ("1:4", 512, 2_048),
    ("4:1", 2_048, 512),
    ("1:8", 352, 2_928),
    ("8:1", 2_928, 352),
    ("auto", 1_024, 1_024),
];
/// How many of them, the first, are not extreme.
const COMMON: usize = 10;
/// Tokens of context, and of output where the request sets no cap.
const MAX_INPUT: u64 = 131_072;
const MAX_OUTPUT: u32 = 32_768;

/// The ratio of this name, with its width and height at 1K.
pub(crate) fn shape(ratio: &str) -> Option<(&'static str, u32, u32)> {
    RATIOS.into_iter().find(|(name, ..)| *name == ratio)
}

/// The ratio whose shape is nearest, extreme ones aside.
pub(crate) fn nearest(width: u32, height: u32) -> (&'static str, u32, u32) {
    let log = |width: u32, height: u32| (f64::from(width) / f64::from(height.max(1))).ln();
    let apart = |(_, w, h): (_, u32, u32)| (log(w, h) - log(width, height)).abs();
    let mut best = RATIOS[0];
    for ratio in RATIOS.into_iter().take(COMMON) {
        if apart(ratio) < apart(best) {
            best = ratio;
        }
    }
    best
}

#[derive(Debug)]
pub(crate) struct Order {
    /// The hash of the request: what chance draws from.
    pub(crate) about: Hash,
    pub(crate) size: Size,
    pub(crate) ratio: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) thinking: Thinking,
    pub(crate) max_output: u32,
    /// What a plain answer uses, thinking apart.
    pub(crate) tokens: Tokens,
    pub(crate) price: Price,
    pub(crate) pictures: Vec<Arc<Input>>,
}

impl Draft {
    /// Whether `model` takes it.
    pub(crate) fn order(
        &self,
        model: &Model,
        product: Product,
        about: Hash,
    ) -> Result<Order, ApiError> {
        self.check_fields(model, product)?;
        let (size, ratio) = self.wish();
        let (size, factor) = match size.as_str() {
            "1K" => (Size::OneK, 1),
            "2K" => (Size::TwoK, 2),
            "4K" => (Size::FourK, 4),
            other => return Err(refused("imageSize", other, model)),
        };
        let price = model.price(size).ok_or_else(|| refused("imageSize", size.as_str(), model))?;
        let (ratio, width, height) =
            shape(&ratio).ok_or_else(|| refused("aspectRatio", &ratio, model))?;
        let tokens = Tokens {
            text_in: (self.prompt.len() as u64).div_ceil(4),
            pictures_in: self.pictures.len() as u64 * u64::from(price.tokens_per_picture),
            image_out: price.image_tokens.into(),
            thinking: 0,
        };
        if tokens.text_in + tokens.pictures_in > MAX_INPUT {
            return Err(ApiError::invalid("The input exceeds the maximum number of tokens."));
        }
        Ok(Order {
            about,
            size,
            ratio,
            width: width * factor,
            height: height * factor,
            thinking: self.thinking(model)?,
            max_output: self.config.max_output_tokens.unwrap_or(MAX_OUTPUT).min(MAX_OUTPUT),
            tokens,
            price: price.clone(),
            pictures: self.pictures.clone(),
        })
    }

    /// The size and the ratio that are wished for, in whichever form.
    fn wish(&self) -> (String, String) {
        let formats = &self.config.response_format;
        let image = formats.first().map_or(&self.config.image_config, |format| &format.image);
        let (size, ratio) = (image.image_size.as_deref(), image.aspect_ratio.as_deref());
        if formats.is_empty() {
            return (size.unwrap_or("1K").to_owned(), ratio.unwrap_or("1:1").to_owned());
        }
        let size = match size.unwrap_or("IMAGE_SIZE_ONE_K") {
            "IMAGE_SIZE_ONE_K" => "1K",
            "IMAGE_SIZE_TWO_K" => "2K",
            "IMAGE_SIZE_FOUR_K" => "4K",
            other => other,
        };
        let number = |word: &str| match word {
            "ONE" => "1",
            "TWO" => "2",
            "THREE" => "3",
            "FOUR" => "4",
            "FIVE" => "5",
            "NINE" => "9",
            "SIXTEEN" => "16",
            _ => "?",
        };
        let words = ratio.unwrap_or("ASPECT_RATIO_ONE_BY_ONE").strip_prefix("ASPECT_RATIO_");
        let sides = words.and_then(|words| words.split_once("_BY_"));
        let (wide, high) = sides.unwrap_or_default();
        (size.to_owned(), format!("{}:{}", number(wide), number(high)))
    }

    fn check_fields(&self, model: &Model, product: Product) -> Result<(), ApiError> {
        let config = &self.config;
        let sampling = [
            ("seed", &config.seed),
            ("temperature", &config.temperature),
            ("topP", &config.top_p),
            ("topK", &config.top_k),
            ("logprobs", &config.logprobs),
            ("responseLogprobs", &config.response_logprobs),
        ];
        if let Some((name, _)) = sampling.iter().find(|(_, value)| value.is_some()) {
            return Err(ApiError::invalid(format!("{name} is not supported by '{}'", model.id)));
        }
        if config.candidate_count.is_some_and(|count| count != 1) {
            return Err(ApiError::invalid("candidateCount must be 1."));
        }
        let modalities = config.response_modalities.as_deref().unwrap_or_default();
        let odd = modalities.iter().find(|name| !["IMAGE", "TEXT"].contains(&name.as_str()));
        if let Some(other) = odd {
            return Err(refused("responseModalities", other, model));
        }
        let image = &config.image_config;
        let vertex_only = image.person_generation.is_some()
            || image.prominent_people.is_some()
            || image.image_output_options.is_some()
            || !config.response_format.is_empty()
            || !self.labels.is_empty();
        if product == Product::Developer && vertex_only {
            let message = "Only aspectRatio and imageSize, and no labels, are known here.";
            return Err(ApiError::invalid(message));
        }
        if self.pictures.len() > model.max_pictures {
            let most = model.max_pictures;
            return Err(ApiError::invalid(format!("At most {most} input images are supported.")));
        }
        Ok(())
    }

    fn thinking(&self, model: &Model) -> Result<Thinking, ApiError> {
        let fallback = || model.thinking.first().copied().unwrap_or(Thinking::Minimal);
        let Some(wish) = self.config.thinking_config.thinking_level.as_deref() else {
            return Ok(fallback());
        };
        let level = model.thinking.iter().find(|level| level.as_str() == wish);
        level.copied().ok_or_else(|| refused("thinkingLevel", wish, model))
    }
}

fn refused(field: &str, value: &str, model: &Model) -> ApiError {
    ApiError::invalid(format!("{field} {value} is not supported by '{}'", model.id))
}
