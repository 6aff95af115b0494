//! The body of a create. Each model's input is a type of its own: a field that a model does not have
//! is dropped by the provider without a word, and the wrong picture billed.

use serde::Serialize;
use tryon_core::{
    catalogue::PredictionModel, chain::Step, messages::RenderOrder, outcome::FailClass,
    ports::CallError, request::AspectRatio,
};

use super::addresses::Addresses;
use crate::{errors::rejected, prompt};

#[derive(Serialize)]
pub(super) struct Create<'a> {
    /// Pinned, or the name of an official model.
    version: &'a str,
    input: Input,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Input {
    NanoBanana(NanoBanana),
    PhotoMaker(PhotoMaker),
    Sdxl(Sdxl),
    Upscale(Upscale),
}

#[derive(Serialize)]
struct NanoBanana {
    prompt: String,
    /// The person first, then the garments in order.
    image_input: Vec<String>,
    aspect_ratio: &'static str,
    resolution: &'static str,
    output_format: &'static str,
    safety_filter_level: &'static str,
    /// Another model would have another price.
    allow_fallback_model: bool,
}

/// Its further pictures would be more of the same person, so that garments come in words alone. It
/// has no size, and its own negative prompt is a good one.
#[derive(Serialize)]
struct PhotoMaker {
    input_image: String,
    prompt: String,
    style_name: &'static str,
    num_steps: u32,
    num_outputs: u32,
    disable_safety_checker: bool,
}

#[derive(Serialize)]
struct Sdxl {
    /// Without it a stranger is drawn.
    image: String,
    prompt: String,
    /// How far the picture may leave the photo: enough for other clothes on the same person.
    prompt_strength: f32,
    width: u32,
    height: u32,
    num_outputs: u32,
    scheduler: &'static str,
    num_inference_steps: u32,
    apply_watermark: bool,
    disable_safety_checker: bool,
}

#[derive(Serialize)]
struct Upscale {
    image: String,
    scale: u32,
    /// It would redraw the face.
    face_enhance: bool,
}

/// The body that creates the prediction of the order's step.
pub(super) async fn create<'a>(
    order: &RenderOrder,
    model: &'a PredictionModel,
    addresses: &Addresses<'_>,
) -> Result<Create<'a>, CallError> {
    let invalid = |reason| rejected(FailClass::Invalid, reason);
    let request = &order.request;
    let input = match order.step {
        Step::NanoBanana => Input::NanoBanana(NanoBanana {
            prompt: prompt::shown(&model.prompt, request),
            image_input: addresses.of_all(request.pictures()).await?,
            aspect_ratio: request.aspect_ratio.as_str(),
            resolution: model.size.as_str(),
            output_format: "jpg",
            safety_filter_level: "block_only_high",
            allow_fallback_model: false,
        }),
        Step::PhotoMaker => Input::PhotoMaker(PhotoMaker {
            input_image: addresses.of(&request.person.photo).await?,
            prompt: prompt::told(&model.prompt, request),
            style_name: "(No style)",
            num_steps: 20,
            num_outputs: 1,
            disable_safety_checker: false,
        }),
        Step::Sdxl => {
            let (width, height) = dimensions(request.aspect_ratio);
            Input::Sdxl(Sdxl {
                image: addresses.of(&request.person.photo).await?,
                prompt: prompt::told(&model.prompt, request),
                prompt_strength: 0.6,
                width,
                height,
                num_outputs: 1,
                scheduler: "K_EULER",
                num_inference_steps: 40,
                apply_watermark: false,
                disable_safety_checker: false,
            })
        }
        Step::Upscale => {
            let interim = order.interim.as_ref();
            let interim = interim.ok_or_else(|| invalid("there is no picture to enlarge"))?;
            let image = addresses.of(interim).await?;
            Input::Upscale(Upscale { image, scale: 4, face_enhance: false })
        }
        Step::Gemini => return Err(invalid("no prediction makes this step")),
    };
    let version = model.version.as_deref().unwrap_or(&model.model);
    Ok(Create { version, input })
}

/// Near the megapixel that SDXL was made for, in steps of 8.
const fn dimensions(ratio: AspectRatio) -> (u32, u32) {
    match ratio {
        AspectRatio::Square => (1_024, 1_024),
        AspectRatio::TwoThree => (832, 1_248),
        AspectRatio::ThreeFour => (864, 1_152),
        AspectRatio::FourThree => (1_152, 864),
        AspectRatio::FourFive => (896, 1_120),
        AspectRatio::NineSixteen => (720, 1_280),
        AspectRatio::SixteenNine => (1_280, 720),
    }
}
