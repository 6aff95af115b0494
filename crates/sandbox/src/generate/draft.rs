//! A request as far as it can be judged without knowing the model: what is kept of it.

use std::{collections::BTreeMap, sync::Arc};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::wire::{Blob, FileData, GenerateRequest, GenerationConfig, SafetySetting};
use crate::{
    auth::Product,
    rpc::ApiError,
    shelf::{self, Input, Shelf},
};

const MIMES: [&str; 5] = ["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"];
const CATEGORIES: [&str; 4] =
    ["HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT"];
const THRESHOLDS: [&str; 5] =
    ["BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF"];
/// What Vertex takes of one inline file, in bytes.
pub(crate) const MAX_INLINE: usize = 7_000_000;
/// Padding may be left off, as in all of Google's JSON.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Debug)]
pub(crate) struct Draft {
    pub(super) prompt: String,
    pub(super) pictures: Vec<Arc<Input>>,
    pub(super) config: GenerationConfig,
    pub(super) labels: BTreeMap<String, String>,
}

impl Draft {
    pub(crate) fn read(body: &[u8], product: Product, shelf: &Shelf) -> Result<Self, ApiError> {
        let request: GenerateRequest<'_> =
            serde_json::from_slice(body).map_err(|error| ApiError::json(&error))?;
        Self::of(request, product, shelf)
    }

    pub(crate) fn of(
        request: GenerateRequest<'_>,
        product: Product,
        shelf: &Shelf,
    ) -> Result<Self, ApiError> {
        if request.contents.is_empty() {
            return Err(ApiError::invalid("contents is not specified"));
        }
        request.safety_settings.iter().try_for_each(safety)?;
        let mut draft = Self {
            prompt: String::new(),
            pictures: Vec::new(),
            config: request.generation_config,
            labels: request.labels,
        };
        for content in request.contents.into_iter().chain(request.system_instruction) {
            if content.role.is_some_and(|role| role != "user" && role != "model") {
                return Err(ApiError::invalid("Please use a valid role: user, model."));
            }
            if content.parts.is_empty() {
                return Err(ApiError::invalid("contents.parts must not be empty."));
            }
            for part in content.parts {
                match (part.text, part.inline_data, part.file_data) {
                    (Some(text), None, None) => draft.prompt.push_str(&text),
                    (None, Some(blob), None) => draft.pictures.push(inline(&blob, product, shelf)?),
                    (None, None, Some(file)) => draft.pictures.push(elsewhere(&file)?),
                    _ => return Err(ApiError::invalid("contents.parts must have one data field.")),
                }
            }
        }
        Ok(draft)
    }

    /// All texts, one after the other.
    pub(crate) fn prompt(&self) -> &str {
        &self.prompt
    }

    /// The label by which the caller knows the request.
    pub(super) fn label(&self) -> Option<&str> {
        let named = ["attempt", "render"].iter().find_map(|name| self.labels.get(*name));
        named.or_else(|| self.labels.values().next()).map(String::as_str)
    }
}

fn safety(setting: &SafetySetting) -> Result<(), ApiError> {
    let category = setting.category.strip_prefix("HARM_CATEGORY_").unwrap_or_default();
    if CATEGORIES.contains(&category) && THRESHOLDS.contains(&setting.threshold.as_str()) {
        return Ok(());
    }
    Err(ApiError::invalid("Invalid value at 'safety_settings'."))
}

fn mime(mime: &str) -> Result<(), ApiError> {
    if MIMES.contains(&mime) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("Unsupported MIME type: {mime}")))
}

fn inline(blob: &Blob<'_>, product: Product, shelf: &Shelf) -> Result<Arc<Input>, ApiError> {
    mime(&blob.mime_type)?;
    let bytes = BASE64.decode(blob.data.as_bytes()).map_err(|_| {
        ApiError::invalid("Invalid value at 'inline_data.data': Base64 decoding failed.")
    })?;
    if bytes.is_empty() || (shelf.keeps() && !shelf::is_picture(&bytes)) {
        return Err(ApiError::invalid("Unable to process input image."));
    }
    if product == Product::Vertex && bytes.len() > MAX_INLINE {
        return Err(ApiError::invalid("An inline file is longer than 7 MB."));
    }
    Ok(shelf.put(bytes))
}

fn elsewhere(file: &FileData) -> Result<Arc<Input>, ApiError> {
    mime(&file.mime_type)?;
    if !["https://", "gs://"].iter().any(|scheme| file.file_uri.starts_with(scheme)) {
        return Err(ApiError::invalid("Unsupported file URI type."));
    }
    Ok(Shelf::elsewhere(&file.file_uri))
}
