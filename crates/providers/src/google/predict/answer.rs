//! What `:predict` answers. Every field may be missing; what was filtered may be missing whole.

use std::borrow::Cow;

use base64::Engine;
use serde::Deserialize;
use tryon_core::{
    catalogue::Usage,
    outcome::FailClass,
    picture::{Mime, Picture},
    ports::{Answer, RowAnswer},
};

use crate::read::BASE64;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow)]
    predictions: Vec<Prediction<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Prediction<'a> {
    #[serde(borrow)]
    bytes_base64_encoded: Option<Cow<'a, str>>,
    /// Prose and codes; that it is there says enough.
    #[serde(borrow)]
    rai_filtered_reason: Option<Cow<'a, str>>,
}

/// None for what is no JSON object. A picture is what is billed, so without one nothing is.
pub(in crate::google) fn parse(body: &[u8]) -> Option<Answer> {
    let response: Response<'_> = serde_json::from_slice(body).ok()?;
    let picture = response.predictions.iter().find_map(Prediction::picture);
    let filtered = response.predictions.iter().any(|one| one.rai_filtered_reason.is_some());
    let given = match picture {
        Some(picture) => RowAnswer::Picture(picture),
        None if filtered => RowAnswer::Refused,
        None => RowAnswer::Failed(FailClass::NoImage),
    };
    let image = u64::from(matches!(given, RowAnswer::Picture(_)));
    Some(Answer { given, usage: Some(Usage { image, ..Usage::default() }) })
}

impl Prediction<'_> {
    fn picture(&self) -> Option<Picture> {
        let data = self.bytes_base64_encoded.as_ref()?;
        let bytes = BASE64.decode(data.as_bytes()).ok()?;
        let mime = Mime::sniff(&bytes)?;
        Some(Picture { bytes: bytes.into(), mime })
    }
}
