//! What `:predict` is sent; what nobody documents is refused.

use std::{borrow::Cow, sync::Arc};

use base64::Engine;
use serde::Deserialize;
use serde_json::Value;
use tryon_core::{catalogue::Predict, picture::Mime};

use crate::{
    generate::{BASE64, MAX_INLINE, shape},
    models::Model,
    rpc::ApiError,
    shelf::{self, Input, Shelf},
};

const SAFETY: [&str; 4] =
    ["block-low-and-above", "block-medium-and-above", "block-only-high", "block-none"];
const PERSONS: [&str; 3] = ["dont-allow", "allow-adult", "allow-all"];
const RATIOS: [&str; 5] = ["1:1", "9:16", "16:9", "3:4", "4:3"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow)]
    instances: Vec<Instance<'a>>,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Instance<'a> {
    prompt: Option<String>,
    #[serde(borrow)]
    person_image: Option<Holder<'a>>,
    #[serde(default, borrow)]
    product_images: Vec<Holder<'a>>,
    #[serde(default, borrow)]
    reference_images: Vec<Numbered<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Holder<'a> {
    #[serde(borrow)]
    image: Image<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Numbered<'a> {
    reference_type: String,
    reference_id: u32,
    #[serde(borrow)]
    reference_image: Image<'a>,
    #[serde(default)]
    subject_image_config: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Image<'a> {
    #[serde(borrow)]
    bytes_base64_encoded: Cow<'a, str>,
    mime_type: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Parameters {
    sample_count: Option<u32>,
    seed: Option<u64>,
    base_steps: Option<u32>,
    safety_setting: Option<String>,
    person_generation: Option<String>,
    add_watermark: Option<bool>,
    enhance_prompt: Option<bool>,
    include_rai_reason: bool,
    aspect_ratio: Option<String>,
    output_options: OutputOptions,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct OutputOptions {
    mime_type: Option<String>,
    compression_quality: Option<u32>,
}

/// A request that its model takes.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) pictures: Vec<Arc<Input>>,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) mime: Mime,
    /// Whether a filtered picture is told of.
    pub(super) tells_reason: bool,
}

/// What the fault script may know a request by.
pub(super) fn prompt(body: &[u8]) -> Option<String> {
    let body: Body<'_> = serde_json::from_slice(body).ok()?;
    body.instances.into_iter().next()?.prompt
}

pub(super) fn read(
    body: &[u8],
    predict: Predict,
    model: &Model,
    shelf: &Shelf,
) -> Result<Order, ApiError> {
    let Body { instances, parameters } =
        serde_json::from_slice(body).map_err(|error| ApiError::json(&error))?;
    let [instance] = instances.as_slice() else {
        return Err(ApiError::invalid("Give exactly one instance."));
    };
    check(&parameters, predict)?;
    let images = match predict {
        Predict::TryOn => try_on(instance)?,
        Predict::References => references(instance)?,
    };
    if images.len() > model.max_pictures {
        return Err(ApiError::invalid("Too many images."));
    }
    let first = images.first().and_then(|image| BASE64.decode(&*image.bytes_base64_encoded).ok());
    let seen = first.as_deref().and_then(shelf::dimensions);
    let ratio = parameters.aspect_ratio.as_deref().unwrap_or("1:1");
    let told = shape(ratio).map_or((1_024, 1_024), |(_, width, height)| (width, height));
    // The try-on model's picture is as large as the person's.
    let (width, height) = if predict == Predict::TryOn { seen.unwrap_or(told) } else { told };
    let png = parameters.output_options.mime_type.as_deref() != Some("image/jpeg");
    Ok(Order {
        pictures: images.iter().map(|image| input(image, shelf)).collect::<Result<_, _>>()?,
        width,
        height,
        mime: if png { Mime::Png } else { Mime::Jpeg },
        tells_reason: predict == Predict::TryOn || parameters.include_rai_reason,
    })
}

fn try_on<'a, 'b>(instance: &'b Instance<'a>) -> Result<Vec<&'b Image<'a>>, ApiError> {
    if instance.prompt.is_some() || !instance.reference_images.is_empty() {
        return Err(ApiError::invalid("prompt and referenceImages are not allowed."));
    }
    let person = instance.person_image.as_ref();
    let person = person.ok_or_else(|| ApiError::invalid("personImage is required."))?;
    match instance.product_images.as_slice() {
        [product] => Ok(vec![&person.image, &product.image]),
        _ => Err(ApiError::invalid("Exactly one product image is supported.")),
    }
}

fn references<'a, 'b>(instance: &'b Instance<'a>) -> Result<Vec<&'b Image<'a>>, ApiError> {
    if instance.prompt.as_deref().is_none_or(str::is_empty) {
        return Err(ApiError::invalid("prompt is required."));
    }
    if instance.person_image.is_some() || !instance.product_images.is_empty() {
        return Err(ApiError::invalid("personImage and productImages are not known here."));
    }
    for (reference, n) in instance.reference_images.iter().zip(1..) {
        let subject = reference.reference_type == "REFERENCE_TYPE_SUBJECT";
        if reference.reference_id != n || !subject || !reference.subject_image_config.is_object() {
            return Err(ApiError::invalid("A reference image is not described."));
        }
    }
    Ok(instance.reference_images.iter().map(|reference| &reference.reference_image).collect())
}

fn check(parameters: &Parameters, predict: Predict) -> Result<(), ApiError> {
    let odd = |name: &str| Err(ApiError::invalid(format!("Invalid value at 'parameters.{name}'.")));
    let known = |value: &Option<String>, all: &[&str]| {
        value.as_deref().is_none_or(|value| all.contains(&value))
    };
    let Parameters { output_options, .. } = parameters;
    match () {
        () if !(1..=4).contains(&parameters.sample_count.unwrap_or(1)) => odd("sampleCount"),
        () if parameters.seed.is_some() && parameters.add_watermark != Some(false) => odd("seed"),
        () if parameters.base_steps == Some(0) => odd("baseSteps"),
        () if !known(&parameters.safety_setting, &SAFETY) => odd("safetySetting"),
        () if !known(&parameters.person_generation, &PERSONS) => odd("personGeneration"),
        () if !known(&output_options.mime_type, &["image/png", "image/jpeg"]) => odd("mimeType"),
        () if output_options.compression_quality.unwrap_or_default() > 100 => {
            odd("compressionQuality")
        }
        () if !known(&parameters.aspect_ratio, &RATIOS) => odd("aspectRatio"),
        // The shape is the person's; what is filtered is told anyway.
        () if predict == Predict::TryOn && parameters.aspect_ratio.is_some() => odd("aspectRatio"),
        () if predict == Predict::References && parameters.enhance_prompt == Some(true) => {
            odd("enhancePrompt")
        }
        () => Ok(()),
    }
}

fn input(image: &Image<'_>, shelf: &Shelf) -> Result<Arc<Input>, ApiError> {
    if !["image/png", "image/jpeg"].contains(&image.mime_type.as_str()) {
        return Err(ApiError::invalid(format!("Unsupported MIME type: {}", image.mime_type)));
    }
    let bytes = BASE64.decode(image.bytes_base64_encoded.as_bytes());
    let bytes = bytes.map_err(|_| ApiError::invalid("Base64 decoding failed."))?;
    if bytes.is_empty() || (shelf.keeps() && !shelf::is_picture(&bytes)) {
        return Err(ApiError::invalid("Unable to process input image."));
    }
    if bytes.len() > MAX_INLINE {
        return Err(ApiError::invalid("An inline file is longer than 7 MB."));
    }
    Ok(shelf.put(bytes))
}
