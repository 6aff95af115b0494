//! What `:predict` is sent, in the two forms that can show a person and a garment.

use serde::Serialize;
use serde_json::{Value, json};
use tryon_core::{
    catalogue::{Entry, Predict},
    messages::RenderOrder,
    outcome::FailClass,
    picture::{Mime, PictureRef},
    ports::CallError,
};

use crate::{errors::rejected, google::body::Segments, prompt};

/// Aspect ratios that the Imagen family takes.
const RATIOS: [&str; 5] = ["1:1", "9:16", "16:9", "3:4", "4:3"];

pub(super) fn body(order: &RenderOrder, entry: &Entry) -> Result<Segments, CallError> {
    let request = &order.request;
    let unfit = |reason: &str| CallError::Unfit(reason.to_owned());
    if request.pictures().any(|picture| picture.mime == Mime::Webp) {
        return Err(unfit("the model takes JPEG and PNG pictures alone"));
    }
    let mut body = Segments::default();
    match entry.predict {
        Some(Predict::TryOn) => {
            let [garment] = request.garments.as_slice() else {
                return Err(unfit("the model takes one garment"));
            };
            body.text(r#"{"instances":[{"personImage":{"image":"#);
            image(&mut body, &request.person.photo);
            body.text(r#"},"productImages":[{"image":"#);
            image(&mut body, &garment.photo);
            body.text(r#"}]}],"parameters":"#);
            body.text(&parameters(None)?);
        }
        Some(Predict::References) => {
            let words = Value::from(prompt::shown(&entry.prompt, request));
            body.text(r#"{"instances":[{"prompt":"#);
            body.text(&words.to_string());
            body.text(r#","referenceImages":["#);
            for (picture, n) in request.pictures().zip(1..) {
                if n > 1 {
                    body.text(",");
                }
                let subject = match n {
                    1 => json!({"subjectType": "SUBJECT_TYPE_PERSON"}),
                    _ => json!({"subjectType": "SUBJECT_TYPE_PRODUCT"}),
                };
                body.text(&format!(
                    r#"{{"referenceType":"REFERENCE_TYPE_SUBJECT","referenceId":{n},"subjectImageConfig":{subject},"referenceImage":"#
                ));
                image(&mut body, picture);
                body.text("}");
            }
            body.text(r#"]}],"parameters":"#);
            body.text(&parameters(Some(request.aspect_ratio.as_str()))?);
        }
        None => return Err(unfit("the catalogue does not say how the model is asked")),
    }
    body.text("}");
    Ok(body)
}

fn image(body: &mut Segments, picture: &PictureRef) {
    body.text(r#"{"mimeType":""#);
    body.text(picture.mime.as_str());
    body.text(r#"","bytesBase64Encoded":""#);
    body.picture(picture);
    body.text(r#""}"#);
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'a> {
    sample_count: u32,
    output_options: OutputOptions,
    /// Otherwise a filtered picture is only missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    include_rai_reason: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aspect_ratio: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputOptions {
    mime_type: &'static str,
}

/// The try-on model's picture has the shape of the person's photo; the others are told theirs.
fn parameters(ratio: Option<&str>) -> Result<String, CallError> {
    let parameters = Parameters {
        sample_count: 1,
        output_options: OutputOptions { mime_type: Mime::Jpeg.as_str() },
        include_rai_reason: ratio.map(|_| true),
        aspect_ratio: ratio.filter(|ratio| RATIOS.contains(ratio)),
    };
    serde_json::to_string(&parameters)
        .map_err(|_| rejected(FailClass::Invalid, "the request could not be written as JSON"))
}
