//! What a model answers.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use tryon_core::{catalogue::Thinking, picture::Mime};

use super::order::Order;
use crate::{
    app::App,
    draw::{Drawing, Manner},
    faults::Fault,
    lots,
    models::Tokens,
};

/// How an order ends, and what it uses; everything but the picture itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) ending: Ending,
    pub(crate) tokens: Tokens,
    /// Whether the answer says what was used.
    pub(crate) counted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Of at least so many bytes.
    Picture { bytes: usize },
    /// The prompt is blocked for this reason.
    Blocked(String),
    /// A candidate without a picture, for this reason.
    Finished(String),
}

impl Outcome {
    pub(crate) fn of(order: &Order, fault: Option<&Fault>, seed: u64) -> Self {
        let typical = match order.thinking {
            Thinking::Minimal => 240.0,
            Thinking::Medium => 480.0,
            Thinking::High => 960.0,
        };
        let spread = 0.5 + lots::unit(seed, "thinking", &order.about);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 120 and 1,440"
        )]
        let thinking = (typical * spread) as u64;
        let cap = u64::from(order.max_output);
        let counted = !matches!(fault, Some(Fault::NoUsage));
        let finished = |reason: &str, thinking| Self {
            ending: Ending::Finished(reason.to_owned()),
            tokens: Tokens { image_out: 0, thinking, ..order.tokens },
            counted,
        };
        match fault {
            Some(Fault::BlockPrompt { reason }) => Self {
                ending: Ending::Blocked(reason.clone()),
                tokens: Tokens { image_out: 0, ..order.tokens },
                counted,
            },
            Some(Fault::Finish { reason }) if reason != "MAX_TOKENS" => {
                finished(reason, thinking.min(cap))
            }
            Some(Fault::Finish { .. }) => finished("MAX_TOKENS", cap),
            _ if order.tokens.image_out + thinking > cap => finished("MAX_TOKENS", cap),
            _ => {
                let bytes = if let Some(Fault::Heavy { bytes }) = fault { *bytes } else { 0 };
                let tokens = Tokens { thinking, ..order.tokens };
                Self { ending: Ending::Picture { bytes }, tokens, counted }
            }
        }
    }
}

/// The answer's body. `key` is written into the picture, so that no two are the same.
pub(crate) fn answer(app: &App, model: &str, key: &str, order: &Order, outcome: &Outcome) -> Value {
    let mut answer = Map::new();
    match &outcome.ending {
        Ending::Picture { bytes } => {
            let (size, thinking) = (order.size.as_str(), order.thinking.as_str());
            let drawing = Drawing {
                manner: Manner::Dressed,
                width: order.width,
                height: order.height,
                pictures: order.pictures.clone(),
                label: format!("{model}  {size} {}  {thinking}", order.ratio),
                mime: Mime::Jpeg,
            };
            let picture = app.artist.heavy(&drawing, key, *bytes);
            let mut parts = Vec::new();
            if order.thinking != Thinking::Minimal {
                let draft = inline(&app.artist.draft(key));
                parts.push(json!({"thought": true, "inlineData": draft}));
            }
            let signature = lots::name(app.config.seed, "signature", &order.about, 32);
            parts.push(json!({"inlineData": inline(&picture), "thoughtSignature": signature}));
            answer.insert("candidates".to_owned(), candidates("STOP", &parts));
        }
        Ending::Finished(reason) => {
            answer.insert("candidates".to_owned(), candidates(reason, &[]));
        }
        Ending::Blocked(reason) => {
            let message = "The prompt could not be answered.";
            let feedback = json!({"blockReason": reason, "blockReasonMessage": message});
            answer.insert("promptFeedback".to_owned(), feedback);
        }
    }
    let id = lots::name(app.config.seed, "response", &order.about, 22);
    if outcome.counted {
        answer.insert("usageMetadata".to_owned(), usage(outcome.tokens));
    }
    answer.insert("modelVersion".to_owned(), model.into());
    answer.insert("responseId".to_owned(), id.into());
    Value::Object(answer)
}

fn inline(jpeg: &[u8]) -> Value {
    json!({"mimeType": "image/jpeg", "data": BASE64_STANDARD.encode(jpeg)})
}

fn candidates(reason: &str, parts: &[Value]) -> Value {
    let mut candidate = json!({"index": 0, "finishReason": reason});
    if parts.is_empty() {
        candidate["content"] = json!({"role": "model"});
        candidate["finishMessage"] = "No picture was made.".into();
    } else {
        candidate["content"] = json!({"role": "model", "parts": parts});
    }
    Value::Array(vec![candidate])
}

/// Counts that are zero are absent.
fn usage(tokens: Tokens) -> Value {
    let prompt = tokens.text_in + tokens.pictures_in;
    let counts = [
        ("promptTokenCount", prompt),
        ("candidatesTokenCount", tokens.image_out),
        ("thoughtsTokenCount", tokens.thinking),
        ("totalTokenCount", prompt + tokens.image_out + tokens.thinking),
    ];
    let present = counts.into_iter().filter(|(_, count)| *count > 0);
    let mut usage: Map<String, Value> =
        present.map(|(name, count)| (name.to_owned(), count.into())).collect();
    let details = |parts: &[(&str, u64)]| {
        let present = parts.iter().filter(|(_, count)| *count > 0);
        let detail =
            |(modality, count): &(&str, u64)| json!({"modality": modality, "tokenCount": count});
        present.map(detail).collect::<Vec<_>>()
    };
    let input = details(&[("TEXT", tokens.text_in), ("IMAGE", tokens.pictures_in)]);
    usage.insert("promptTokensDetails".to_owned(), input.into());
    let output = details(&[("IMAGE", tokens.image_out)]);
    if !output.is_empty() {
        usage.insert("candidatesTokensDetails".to_owned(), output.into());
    }
    Value::Object(usage)
}
