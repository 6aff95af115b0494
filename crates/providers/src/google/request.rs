//! `GenerateContentRequest`, as one Online body or as one line of a batch file.

use serde::Serialize;
use tryon_core::{catalogue::Entry, messages::RenderOrder};

use super::body::Segments;
use crate::prompt;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig {
    response_modalities: [&'static str; 1],
    image_config: ImageConfig,
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
#[serde(rename_all = "camelCase")]
struct ThinkingConfig {
    thinking_level: &'static str,
}

/// The body of an Online call.
pub(super) fn online(order: &RenderOrder, entry: &Entry) -> serde_json::Result<Segments> {
    let mut segments = Segments::default();
    write(&mut segments, order, entry)?;
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
    write(segments, order, entry)?;
    segments.text("}\n");
    Ok(())
}

fn write(segments: &mut Segments, order: &RenderOrder, entry: &Entry) -> serde_json::Result<()> {
    let request = &order.request;
    let config = GenerationConfig {
        response_modalities: ["IMAGE"],
        image_config: ImageConfig {
            aspect_ratio: request.aspect_ratio.as_str(),
            image_size: entry.size.as_str(),
        },
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
