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

use crate::read::{BASE64, list};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow, deserialize_with = "list")]
    predictions: Vec<Prediction<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Prediction<'a> {
    #[serde(borrow)]
    bytes_base64_encoded: Option<Cow<'a, str>>,
    /// A picture in a bucket that nobody named.
    #[serde(borrow)]
    gcs_uri: Option<Cow<'a, str>>,
    /// Prose and codes; that it is there says enough.
    #[serde(borrow)]
    rai_filtered_reason: Option<Cow<'a, str>>,
}

/// None for what is no JSON object. A picture is what is billed: without one nothing is, and one that
/// is of no use here has no price, since nobody knows whether Google counts it.
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
    let unpriced = image == 0 && response.predictions.iter().any(Prediction::is_drawn);
    let usage = (!unpriced).then(|| Usage { image, ..Usage::default() });
    Some(Answer { given, usage })
}

impl Prediction<'_> {
    fn is_drawn(&self) -> bool {
        self.bytes_base64_encoded.is_some() || self.gcs_uri.is_some()
    }

    fn picture(&self) -> Option<Picture> {
        let data = self.bytes_base64_encoded.as_ref()?;
        let bytes = BASE64.decode(data.as_bytes()).ok()?;
        let mime = Mime::sniff(&bytes)?;
        Some(Picture { bytes: bytes.into(), mime })
    }
}
