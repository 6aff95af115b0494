//! A request as it stands on the wire, in camel or snake case; fields that nobody documents are
//! refused. Pictures stay in the buffer they came in.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GenerateRequest<'a> {
    #[serde(default, borrow)]
    pub(super) contents: Vec<Content<'a>>,
    #[serde(default, alias = "generation_config")]
    pub(super) generation_config: GenerationConfig,
    #[serde(default, alias = "safety_settings")]
    pub(super) safety_settings: Vec<SafetySetting>,
    #[serde(default, borrow, alias = "system_instruction")]
    pub(super) system_instruction: Option<Content<'a>>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    /// In batch rows; the job's model rules.
    #[serde(default, rename = "model")]
    _model: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content<'a> {
    pub(super) role: Option<String>,
    #[serde(default, borrow)]
    pub(super) parts: Vec<Part<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Part<'a> {
    pub(super) text: Option<String>,
    #[serde(default, borrow, alias = "inline_data")]
    pub(super) inline_data: Option<Blob<'a>>,
    #[serde(default, alias = "file_data")]
    pub(super) file_data: Option<FileData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Blob<'a> {
    #[serde(alias = "mime_type")]
    pub(super) mime_type: String,
    #[serde(borrow)]
    pub(super) data: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FileData {
    #[serde(alias = "mime_type")]
    pub(super) mime_type: String,
    #[serde(alias = "file_uri")]
    pub(super) file_uri: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct GenerationConfig {
    #[serde(alias = "response_modalities")]
    pub(super) response_modalities: Option<Vec<String>>,
    #[serde(alias = "image_config")]
    pub(super) image_config: ImageConfig,
    /// Vertex only.
    #[serde(alias = "response_format")]
    pub(super) response_format: Vec<ResponseFormat>,
    #[serde(alias = "thinking_config")]
    pub(super) thinking_config: ThinkingConfig,
    #[serde(alias = "max_output_tokens")]
    pub(super) max_output_tokens: Option<u32>,
    #[serde(alias = "candidate_count")]
    pub(super) candidate_count: Option<u32>,
    pub(super) seed: Option<Value>,
    pub(super) temperature: Option<Value>,
    #[serde(alias = "top_p")]
    pub(super) top_p: Option<Value>,
    #[serde(alias = "top_k")]
    pub(super) top_k: Option<Value>,
    pub(super) logprobs: Option<Value>,
    #[serde(alias = "response_logprobs")]
    pub(super) response_logprobs: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ImageConfig {
    #[serde(alias = "aspect_ratio")]
    pub(super) aspect_ratio: Option<String>,
    #[serde(alias = "image_size")]
    pub(super) image_size: Option<String>,
    // Vertex only:
    #[serde(alias = "person_generation")]
    pub(super) person_generation: Option<String>,
    #[serde(alias = "prominent_people")]
    pub(super) prominent_people: Option<String>,
    #[serde(alias = "image_output_options")]
    pub(super) image_output_options: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResponseFormat {
    pub(super) image: ImageConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ThinkingConfig {
    #[serde(alias = "thinking_level")]
    pub(super) thinking_level: Option<String>,
    #[serde(alias = "include_thoughts")]
    pub(super) include_thoughts: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SafetySetting {
    pub(super) category: String,
    pub(super) threshold: String,
}
