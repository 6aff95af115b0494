//! `GenerateContentRequest`, as one Online body or as one line of a batch file.

use serde::Serialize;
use tryon_core::{
    catalogue::{Entry, Size},
    messages::RenderOrder,
    request::AspectRatio,
};

use super::body::Segments;
use crate::prompt;

/// How Vertex is told which picture is wished for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageForm {
    /// `imageConfig`, as the documents show it.
    #[default]
    ImageConfig,
    /// `responseFormat`, which Vertex's own description of its API prefers.
    ResponseFormat,
}

/// A text that names no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give image-config or response-format")]
pub struct UnknownForm;

impl std::str::FromStr for ImageForm {
    type Err = UnknownForm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "image-config" => Ok(Self::ImageConfig),
            "response-format" => Ok(Self::ResponseFormat),
            _ => Err(UnknownForm),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig {
    response_modalities: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    image_config: Option<ImageConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<[ResponseFormat; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
    max_output_tokens: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageConfig {
    aspect_ratio: &'static str,
    image_size: &'static str,
}

#[derive(Serialize)]
struct ResponseFormat {
    image: ImageConfig,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ThinkingConfig {
    thinking_level: &'static str,
}

/// The body of an Online call.
pub(super) fn online(
    order: &RenderOrder,
    entry: &Entry,
    form: ImageForm,
) -> serde_json::Result<Segments> {
    let mut segments = Segments::default();
    write(&mut segments, order, entry, form)?;
    Ok(segments)
}

/// Adds the render's line of a batch file.
pub(super) fn line(
    segments: &mut Segments,
    order: &RenderOrder,
    entry: &Entry,
) -> serde_json::Result<()> {
    segments.text("{\"key\":");
    segments.text(&serde_json::to_string(order.render_id.as_str())?);
    segments.text(",\"request\":");
    write(segments, order, entry, ImageForm::ImageConfig)?;
    segments.text("}\n");
    Ok(())
}

fn write(
    segments: &mut Segments,
    order: &RenderOrder,
    entry: &Entry,
    form: ImageForm,
) -> serde_json::Result<()> {
    let request = &order.request;
    let (image_config, response_format) = match form {
        ImageForm::ImageConfig => {
            let aspect_ratio = request.aspect_ratio.as_str();
            (Some(ImageConfig { aspect_ratio, image_size: entry.size.as_str() }), None)
        }
        ImageForm::ResponseFormat => {
            let aspect_ratio = ratio_word(request.aspect_ratio);
            let image = ImageConfig { aspect_ratio, image_size: size_word(entry.size) };
            (None, Some([ResponseFormat { image }]))
        }
    };
    let config = GenerationConfig {
        response_modalities: ["IMAGE"],
        image_config,
        response_format,
        thinking_config: entry
            .thinking
            .map(|level| ThinkingConfig { thinking_level: level.as_str() }),
        max_output_tokens: entry.max_output_tokens,
    };
    let prompt = prompt::shown(&entry.prompt, request);
    segments.text(r#"{"contents":[{"role":"user","parts":[{"text":"#);
    segments.text(&serde_json::to_string(&prompt)?);
    for picture in request.pictures() {
        segments.text(r#"},{"inlineData":{"mimeType":""#);
        segments.text(picture.mime.as_str());
        segments.text(r#"","data":""#);
        segments.picture(picture);
        segments.text(r#""}"#);
    }
    segments.text(r#"}]}],"generationConfig":"#);
    segments.text(&serde_json::to_string(&config)?);
    segments.text("}");
    Ok(())
}

const fn ratio_word(ratio: AspectRatio) -> &'static str {
    match ratio {
        AspectRatio::Square => "ASPECT_RATIO_ONE_BY_ONE",
        AspectRatio::TwoThree => "ASPECT_RATIO_TWO_BY_THREE",
        AspectRatio::ThreeFour => "ASPECT_RATIO_THREE_BY_FOUR",
        AspectRatio::FourThree => "ASPECT_RATIO_FOUR_BY_THREE",
        AspectRatio::FourFive => "ASPECT_RATIO_FOUR_BY_FIVE",
        AspectRatio::NineSixteen => "ASPECT_RATIO_NINE_BY_SIXTEEN",
        AspectRatio::SixteenNine => "ASPECT_RATIO_SIXTEEN_BY_NINE",
    }
}

const fn size_word(size: Size) -> &'static str {
    match size {
        Size::OneK => "IMAGE_SIZE_ONE_K",
        Size::TwoK => "IMAGE_SIZE_TWO_K",
        Size::FourK => "IMAGE_SIZE_FOUR_K",
    }
}
