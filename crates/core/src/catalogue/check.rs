//! A catalogue is refused whole, with the place and the fix, before anything is bought with it.

use std::collections::BTreeSet;

use super::{
    Backend, Catalogue, Entry, Predict, PredictionModel, PredictionPrice, Quality, Thinking,
};
use crate::{chain::Step, ids::EntryId};

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    #[error("catalogue: line {line}: {fault}")]
    Syntax { line: usize, fault: String },
    #[error("catalogue: [quality] names no entry for {0}")]
    NoQuality(Quality),
    #[error("catalogue: {place} names entry {name}, which does not exist")]
    NoEntry { place: String, name: EntryId },
    #[error("catalogue: the successors of entry {0} form a circle")]
    Circle(EntryId),
    #[error("catalogue: entry {entry}: {fix}")]
    Entry { entry: EntryId, fix: &'static str },
    #[error(
        "catalogue: entry {entry}: keep its model {model}, and give another one an entry of its own"
    )]
    OtherModel { entry: EntryId, model: String },
    #[error("catalogue: [step.{0}] is missing")]
    NoStep(Step),
    #[error("catalogue: step {step}: {fix}")]
    Step { step: Step, fix: &'static str },
}

pub(super) fn check(catalogue: &Catalogue) -> Result<(), CatalogueError> {
    for quality in Quality::ALL {
        let id = catalogue.quality.get(&quality).ok_or(CatalogueError::NoQuality(quality))?;
        exists(catalogue, id, || format!("[quality] {quality}"))?;
    }
    for (id, entry) in &catalogue.entry {
        if let Some(fix) = fault(entry) {
            return Err(CatalogueError::Entry { entry: id.clone(), fix });
        }
        successors_end(catalogue, id)?;
        if let Some(lighter) = &entry.lighter {
            exists(catalogue, lighter, || format!("lighter of {id}"))?;
            if !catalogue.entry.get(lighter).is_some_and(|lighter| relieves(lighter, entry)) {
                let fix = "name a lighter entry that thinks less, of the same size or larger";
                return Err(CatalogueError::Entry { entry: id.clone(), fix });
            }
        }
    }
    for step in [Step::NanoBanana, Step::PhotoMaker, Step::Sdxl, Step::Upscale] {
        let model = catalogue.step.get(&step).ok_or(CatalogueError::NoStep(step))?;
        if let Some(fix) = fault_of_step(step, model) {
            return Err(CatalogueError::Step { step, fix });
        }
    }
    if catalogue.step.contains_key(&Step::Gemini) {
        let fix = "leave it out: its models are the entries";
        return Err(CatalogueError::Step { step: Step::Gemini, fix });
    }
    Ok(())
}

/// What is wrong with a step's model, as the fix.
fn fault_of_step(step: Step, model: &PredictionModel) -> Option<&'static str> {
    let is_pin = |version: &str| {
        version.len() == 64 && version.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let named = |text: &str| text.split('/').filter(|part| !part.is_empty()).count() == 2;
    let (PredictionPrice::PictureMicros(price) | PredictionPrice::SecondNanos(price)) = model.price;
    let once = |blank: &str| model.prompt.matches(blank).count() == 1;
    match () {
        () if !named(&model.model) => Some("give the model as owner/name"),
        () if model.version.as_deref().is_some_and(|version| !is_pin(version)) => {
            Some("give the version as 64 hex digits, or none for an official model")
        }
        () if price == 0 => Some("give a price above 0"),
        () if !(5..=1_800).contains(&model.max_seconds) => Some("set max_seconds from 5 to 1800"),
        () if model.max_pictures == 0 => Some("set max_pictures to at least 1"),
        () if step == Step::Upscale && !model.prompt.is_empty() => Some("leave the prompt out"),
        () if step == Step::NanoBanana && model.max_pictures < 2 => {
            Some("set max_pictures to at least 2 (a person and a garment)")
        }
        () if step != Step::Upscale && !once("{garments}") => {
            Some("put {garments} into the prompt once")
        }
        () if step == Step::PhotoMaker && !once("{person} img") => {
            Some("put {person} img into the prompt once: the trigger word follows the noun")
        }
        () if step == Step::PhotoMaker
            && model
                .prompt
                .split(|c: char| !c.is_alphanumeric())
                .filter(|w| *w == "img")
                .count()
                != 1 =>
        {
            Some("put the trigger word img into the prompt once")
        }
        () if model.prompt.matches("{wish}").count() > 1 => {
            Some("put {wish} into the prompt at most once")
        }
        () => None,
    }
}

fn exists(
    catalogue: &Catalogue,
    id: &EntryId,
    place: impl FnOnce() -> String,
) -> Result<(), CatalogueError> {
    if catalogue.entry.contains_key(id) {
        return Ok(());
    }
    Err(CatalogueError::NoEntry { place: place(), name: id.clone() })
}

fn relieves(lighter: &Entry, heavy: &Entry) -> bool {
    let level = |entry: &Entry| entry.thinking.unwrap_or(Thinking::Minimal);
    level(lighter) < level(heavy) && lighter.size >= heavy.size
}

fn successors_end(catalogue: &Catalogue, start: &EntryId) -> Result<(), CatalogueError> {
    let mut seen = BTreeSet::from([start]);
    let mut at = start;
    while let Some(next) = catalogue.entry.get(at).and_then(|entry| entry.successor.as_ref()) {
        exists(catalogue, next, || format!("successor of {at}"))?;
        if !seen.insert(next) {
            return Err(CatalogueError::Circle(start.clone()));
        }
        at = next;
    }
    Ok(())
}

/// What is wrong with an entry, as the fix.
fn fault(entry: &Entry) -> Option<&'static str> {
    match () {
        () if entry.model.is_empty() => Some("give the provider's model id"),
        () if entry.online.is_none() && entry.batch.is_none() => {
            Some("name a backend for online, batch or both")
        }
        () if matches!(entry.online, Some(Backend::GeminiBatch | Backend::Replicate)) => {
            Some("give it the online backend gemini-online or vertex-predict")
        }
        () if entry.batch.is_some_and(|backend| backend != Backend::GeminiBatch) => {
            Some("give it the batch backend gemini-batch")
        }
        () if !(1..=200).contains(&entry.call_timeout_seconds) => {
            Some("set call_timeout_seconds from 1 to 200")
        }
        () if entry.max_pictures < 2 => {
            Some("set max_pictures to at least 2 (a person and a garment)")
        }
        () => match (entry.online, entry.predict) {
            (Some(Backend::VertexPredict), Some(predict)) => fault_of_predict(entry, predict),
            (Some(Backend::VertexPredict), None) => {
                Some("say how it is asked: predict = \"try-on\" or \"references\"")
            }
            (_, Some(_)) => Some("leave predict to the backend vertex-predict"),
            (_, None) => fault_of_gemini(entry),
        },
    }
}

/// Of a model that is priced by tokens. A price of zero is unknown, and unknown is refused.
fn fault_of_gemini(entry: &Entry) -> Option<&'static str> {
    let price = &entry.price;
    let priced = [price.input_nanos, price.text_nanos, price.image_nanos];
    let tokens = [price.tokens_per_picture, price.image_tokens, entry.max_output_tokens];
    match () {
        () if price.is_by_picture() => Some("leave picture_micros to the backend vertex-predict"),
        () if priced.contains(&0) => Some("give every price in nano-dollars a token, above 0"),
        () if tokens.contains(&0) => Some("give token counts and the output cap above 0"),
        () if entry.max_output_tokens < price.image_tokens => {
            Some("set max_output_tokens to at least price.image_tokens")
        }
        () if entry.max_output_tokens < entry.typical_text_tokens => {
            Some("set max_output_tokens to at least typical_text_tokens")
        }
        () if !(1..=100).contains(&price.batch_percent) => {
            Some("set price.batch_percent from 1 to 100")
        }
        () => fault_of_prompt(&entry.prompt),
    }
}

/// Of a model that counts no tokens, and does not think.
fn fault_of_predict(entry: &Entry, predict: Predict) -> Option<&'static str> {
    match () {
        () if entry.batch.is_some() => Some("leave batch out: :predict has none"),
        () if entry.thinking.is_some() || entry.max_output_tokens > 0 => {
            Some("leave thinking and max_output_tokens out: the model takes neither")
        }
        () if !entry.price.is_by_picture() || entry.price.image_nanos == 0 => {
            Some("give price = { picture_micros = .. }, above 0: its answers count no tokens")
        }
        () if predict == Predict::TryOn && entry.max_pictures != 2 => {
            Some("set max_pictures to 2: it takes one person and one garment")
        }
        () if predict == Predict::TryOn && !entry.prompt.is_empty() => {
            Some("leave the prompt out: the model takes none")
        }
        () if predict == Predict::TryOn => None,
        () => fault_of_prompt(&entry.prompt),
    }
}

fn fault_of_prompt(prompt: &str) -> Option<&'static str> {
    match () {
        // The maximum price counts the words once.
        () if prompt.matches("{garments}").count() != 1 => {
            Some("put {garments} into the prompt once")
        }
        () if prompt.matches("{wish}").count() > 1 => {
            Some("put {wish} into the prompt at most once")
        }
        () => None,
    }
}
