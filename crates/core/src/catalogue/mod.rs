//! The catalogue of models: data, since Google has retired every image model within about a year.

mod check;
mod instead;
mod prediction;
mod price;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

pub use self::{
    check::CatalogueError,
    prediction::{PredictionModel, PredictionPrice},
    price::{Price, Usage},
};
use crate::{
    budget::Account, chain::Step, ids::EntryId, lane::Lane, money::Micros, request::RenderRequest,
};

/// Bytes of ours around each garment in a prompt ("the .. of image n"), generously.
const WORDS_A_GARMENT: usize = 40;

/// What the customer asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Quality {
    #[serde(rename = "sd")]
    Sd,
    #[serde(rename = "hd")]
    Hd,
    #[serde(rename = "4k")]
    FourK,
}

impl Quality {
    pub const ALL: [Self; 3] = [Self::Sd, Self::Hd, Self::FourK];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sd => "sd",
            Self::Hd => "hd",
            Self::FourK => "4k",
        }
    }

    /// The long side that the customer was promised; a smaller picture is enlarged.
    pub const fn size(self) -> Size {
        match self {
            Self::Sd | Self::Hd => Size::OneK,
            Self::FourK => Size::FourK,
        }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A wire and a place to send a request to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// `generateContent`, on Vertex global or on the Developer API.
    GeminiOnline,
    /// `batchGenerateContent` on the Developer API: JSONL file in, file out.
    GeminiBatch,
    /// `:predict` on Vertex, the Imagen-family wire.
    VertexPredict,
    /// Predictions on Replicate.
    Replicate,
}

impl Backend {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GeminiOnline => "gemini-online",
            Self::GeminiBatch => "gemini-batch",
            Self::VertexPredict => "vertex-predict",
            Self::Replicate => "replicate",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The long side a model is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Size {
    #[serde(rename = "1k", alias = "1K")]
    OneK,
    #[serde(rename = "2k", alias = "2K")]
    TwoK,
    #[serde(rename = "4k", alias = "4K")]
    FourK,
}

impl Size {
    /// As providers write it (capital K).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneK => "1K",
            Self::TwoK => "2K",
            Self::FourK => "4K",
        }
    }
}

/// How long the model may think before it draws; thinking is billed as text output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Thinking {
    Minimal,
    Medium,
    High,
}

impl Thinking {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minimal => "MINIMAL",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
        }
    }
}

/// How a model behind `:predict` is asked for a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Predict {
    /// One person and one garment, without words: `virtual-try-on-001`.
    TryOn,
    /// Pictures by number and words about them: the Imagen family's customisation, for whoever still
    /// has it.
    References,
}

/// One way to make a picture: a model with its settings, price and limits.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The provider's model id.
    pub model: String,
    /// The backend of the Online lane, where the model has one.
    pub online: Option<Backend>,
    /// The backend of the Batch lane, where the model has one.
    pub batch: Option<Backend>,
    /// How it is asked, of a `vertex-predict` model.
    pub predict: Option<Predict>,
    pub size: Size,
    pub thinking: Option<Thinking>,
    /// `maxOutputTokens`: caps what thinking can cost. None for a model that is priced by the picture.
    #[serde(default)]
    pub max_output_tokens: u32,
    /// Thinking and text tokens a render usually takes; for forecasts only.
    #[serde(default)]
    pub typical_text_tokens: u32,
    /// Input pictures the model accepts, the person included.
    pub max_pictures: u32,
    /// How long one online call may take, in seconds.
    pub call_timeout_seconds: u32,
    pub price: Price,
    /// The first day on which the model no longer answers.
    pub retires: Option<NaiveDate>,
    /// The entry that takes over then.
    pub successor: Option<EntryId>,
    /// The entry that thinks less, for a render over which this one thought until its cap was reached.
    pub lighter: Option<EntryId>,
    /// The instruction, with `{garments}` and `{wish}` to fill in; empty for a model that takes none.
    #[serde(default)]
    pub prompt: String,
}

impl Entry {
    /// The most that generating `request` can cost in `lane`; reserved before it is sent.
    pub fn maximum(&self, lane: Lane, request: &RenderRequest) -> Micros {
        let pictures = u32::try_from(request.pictures().count()).unwrap_or(u32::MAX);
        let words: usize = request
            .garments
            .iter()
            .map(|garment| garment.category.len() + garment.description.len() + WORDS_A_GARMENT)
            .sum();
        let prompt = self.prompt.len() + request.prompt.len() + words;
        self.price.maximum(lane, self.max_output_tokens, pictures, prompt)
    }

    /// A lane that was chosen for the customer is chosen among those that there are.
    pub const fn lane_of(&self, chosen: Lane, wished: Option<Lane>) -> Lane {
        match chosen {
            Lane::Batch if wished.is_none() && self.batch.is_none() => Lane::Online,
            lane => lane,
        }
    }

    pub const fn backend(&self, lane: Lane) -> Option<Backend> {
        match lane {
            Lane::Online => self.online,
            Lane::Batch => self.batch,
        }
    }
}

/// All models, and which one serves which quality. Checked when parsed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    quality: BTreeMap<Quality, EntryId>,
    entry: BTreeMap<EntryId, Entry>,
    /// The models of the steps that are not Google's own.
    step: BTreeMap<Step, PredictionModel>,
}

impl Catalogue {
    /// Parses and checks a catalogue in TOML.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let catalogue: Self = toml::from_str(text).map_err(|error| CatalogueError::Syntax {
            line: line_of(text, error.span()),
            fault: error.message().replace('\n', " "),
        })?;
        check::check(&catalogue)?;
        Ok(catalogue)
    }

    /// Parses and checks a catalogue that takes the place of `built_in` while renders are under way.
    /// Their rows and messages name an entry and mean a model, so an entry keeps the one it has.
    pub fn parse_override(text: &str, built_in: &Self) -> Result<Self, CatalogueError> {
        let catalogue = Self::parse(text)?;
        for (id, entry) in &built_in.entry {
            if catalogue.get(id).is_some_and(|other| other.model != entry.model) {
                let (entry, model) = (id.clone(), entry.model.clone());
                return Err(CatalogueError::OtherModel { entry, model });
            }
        }
        Ok(catalogue)
    }

    /// The catalogue that ships with the code.
    pub fn built_in() -> Result<Self, CatalogueError> {
        Self::parse(include_str!("../../catalogue.toml"))
    }

    /// The entry that serves `quality` on `day`: the mapped one, or its living successor. None where
    /// the last of them has retired.
    pub fn entry_for(&self, quality: Quality, day: NaiveDate) -> Option<(&EntryId, &Entry)> {
        let mapped = self.quality.get(&quality)?;
        let first = self.entry.get_key_value(mapped);
        first
            .into_iter()
            .chain(self.successors(mapped))
            .find(|(_, entry)| instead::is_alive(entry, day))
    }

    /// The models that serve some quality on `day`, each once.
    pub fn serving(&self, day: NaiveDate) -> Vec<&str> {
        let entries = Quality::ALL.into_iter().filter_map(|quality| self.entry_for(quality, day));
        let models: BTreeSet<&str> = entries.map(|(_, entry)| entry.model.as_str()).collect();
        models.into_iter().collect()
    }

    pub fn get(&self, id: &EntryId) -> Option<&Entry> {
        self.entry.get(id)
    }

    /// The model that runs `step`, where it is not Google's own.
    pub fn prediction(&self, step: Step) -> Option<&PredictionModel> {
        self.step.get(&step)
    }

    pub fn predictions(&self) -> impl Iterator<Item = (Step, &PredictionModel)> {
        self.step.iter().map(|(step, model)| (*step, model))
    }

    /// The most that the account's cheapest purchase costs: what fits nowhere below it means that the
    /// day's money is spent. None where nothing is sold.
    pub fn cheapest(&self, account: Account, day: NaiveDate) -> Option<Micros> {
        match account {
            Account::Google => self.entry_for(Quality::Sd, day).map(|(_, entry)| {
                entry.price.maximum(Lane::Batch, entry.max_output_tokens, 2, entry.prompt.len())
            }),
            Account::Replicate => self.predictions().map(|(_, model)| model.maximum()).min(),
        }
    }

    /// The backends that anything is bought from.
    pub fn backends(&self) -> BTreeSet<Backend> {
        let google =
            self.entry.values().flat_map(|entry| entry.online.into_iter().chain(entry.batch));
        let predictions = self.step.keys().map(|_| Backend::Replicate);
        google.chain(predictions).collect()
    }

    pub fn entries(&self) -> impl Iterator<Item = (&EntryId, &Entry)> {
        self.entry.iter()
    }
}

/// The line, from 1, on which `span` begins.
fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// What may share a batch: a backend and a model. Size, thinking and prompt are per row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BatchKey {
    pub backend: Backend,
    pub model: String,
}

impl fmt::Display for BatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.backend, self.model)
    }
}

#[cfg(test)]
mod tests;
