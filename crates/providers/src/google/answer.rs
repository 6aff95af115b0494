//! `GenerateContentResponse`: what the model gave, and what it used. Every field may be missing, or
//! null.

use std::borrow::Cow;

use base64::Engine;
use serde::Deserialize;
use tryon_core::{
    catalogue::Usage,
    outcome::FailClass,
    picture::{Mime, Picture},
    ports::{Answer, RowAnswer},
};

use crate::read::{BASE64, count, enum_word, list, or_none, text};

/// More tokens than any model reads or writes at once: a count beyond is none.
const MOST_TOKENS: u64 = 10_000_000;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Response<'a> {
    #[serde(borrow, deserialize_with = "list")]
    candidates: Vec<Candidate<'a>>,
    prompt_feedback: Option<PromptFeedback>,
    usage_metadata: Option<UsageMetadata>,
    #[serde(rename = "responseId")]
    pub(super) id: Option<String>,
    pub(super) model_version: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Candidate<'a> {
    finish_reason: Option<String>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content<'a> {
    #[serde(borrow, deserialize_with = "list")]
    parts: Vec<Part<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Part<'a> {
    #[serde(deserialize_with = "or_none")]
    thought: bool,
    #[serde(borrow)]
    inline_data: Option<InlineData<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InlineData<'a> {
    /// Borrowed where it holds no escapes: a 4K picture is some megabytes.
    #[serde(borrow, deserialize_with = "text")]
    data: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PromptFeedback {
    block_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct UsageMetadata {
    #[serde(deserialize_with = "count")]
    prompt_token_count: u64,
    #[serde(deserialize_with = "count")]
    candidates_token_count: u64,
    #[serde(deserialize_with = "count")]
    thoughts_token_count: u64,
    #[serde(deserialize_with = "list")]
    candidates_tokens_details: Vec<ModalityCount>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ModalityCount {
    modality: Option<String>,
    #[serde(deserialize_with = "count")]
    token_count: u64,
}

impl<'a> Response<'a> {
    pub(super) fn parse(body: &'a [u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(body)
    }

    /// The answer for one render. `image_tokens` is what its picture counts for, where known.
    pub(super) fn answer(&self, image_tokens: Option<u32>) -> Answer {
        let given = self.given();
        let drawn = matches!(given, RowAnswer::Picture(_));
        let usage = self.usage_metadata.as_ref();
        Answer { usage: usage.and_then(|usage| usage.counted(drawn, image_tokens)), given }
    }

    /// Why there is no picture, in Google's enum word, for logs.
    pub(super) fn reason(&self) -> Option<String> {
        let finish = self.candidates.first().and_then(|first| first.finish_reason.as_deref());
        let block = self.prompt_feedback.as_ref().and_then(|f| f.block_reason.as_deref());
        finish.or(block).and_then(enum_word)
    }

    fn given(&self) -> RowAnswer {
        let no_image = RowAnswer::Failed(FailClass::NoImage);
        let Some(candidate) = self.candidates.first() else {
            let feedback = self.prompt_feedback.as_ref();
            return match feedback.and_then(|feedback| feedback.block_reason.as_deref()) {
                None
                | Some("OTHER" | "BLOCK_REASON_UNSPECIFIED" | "BLOCKED_REASON_UNSPECIFIED") => {
                    no_image
                }
                // A reason newer than this release is one for blocking all the same.
                Some(_) => RowAnswer::Refused,
            };
        };
        match candidate.finish_reason.as_deref() {
            None | Some("STOP" | "FINISH_REASON_UNSPECIFIED") => {
                candidate.picture().map_or(no_image, RowAnswer::Picture)
            }
            // Thinking took what was left for the picture.
            Some("MAX_TOKENS") => candidate
                .picture()
                .map_or(RowAnswer::Failed(FailClass::Exhausted), RowAnswer::Picture),
            Some(
                "SAFETY"
                | "RECITATION"
                | "BLOCKLIST"
                | "PROHIBITED_CONTENT"
                | "SPII"
                | "IMAGE_SAFETY"
                | "IMAGE_PROHIBITED_CONTENT"
                | "IMAGE_RECITATION"
                | "MODEL_ARMOR",
            ) => RowAnswer::Refused,
            Some("ESCALATION" | "PUP_LIMITED_DISABLED") => RowAnswer::Failed(FailClass::Account),
            // NO_IMAGE, IMAGE_OTHER, OTHER, MALFORMED_RESPONSE, and words newer than this release.
            Some(_) => no_image,
        }
    }
}

impl Candidate<'_> {
    /// The last picture that is no draft. What it is, its first bytes say.
    fn picture(&self) -> Option<Picture> {
        let parts = self.content.as_ref()?.parts.iter().rev();
        let data = parts.filter(|part| !part.thought).find_map(|part| part.inline_data.as_ref())?;
        let bytes = BASE64.decode(data.data.as_bytes()).ok()?;
        let mime = Mime::sniff(&bytes)?;
        Some(Picture { bytes: bytes.into(), mime })
    }
}

impl UsageMetadata {
    /// None where the counts cannot be the whole truth: an unknown price is never zero.
    fn counted(&self, drawn: bool, image_tokens: Option<u32>) -> Option<Usage> {
        let output = self.candidates_token_count;
        let of_image = |detail: &&ModalityCount| detail.modality.as_deref() == Some("IMAGE");
        let image = if self.candidates_tokens_details.is_empty() {
            // A picture's tokens are the dearest, so all that are not known to be text count as its.
            let most = image_tokens.map_or(output, |tokens| output.min(tokens.into()));
            if drawn { most } else { 0 }
        } else {
            let images = self.candidates_tokens_details.iter().filter(of_image);
            images.fold(0_u64, |sum, detail| sum.saturating_add(detail.token_count))
        };
        let usage = Usage {
            input: self.prompt_token_count,
            image,
            text: self.thoughts_token_count.saturating_add(output.saturating_sub(image)),
        };
        let most = usage.input.max(usage.image).max(usage.text);
        let told = usage.input > 0 && (usage.image > 0 || !drawn);
        (told && most <= MOST_TOKENS).then_some(usage)
    }
}

#[cfg(test)]
mod tests;
