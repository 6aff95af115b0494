//! The fault script: ordered rules, of which the first that fits a call decides what goes wrong.

mod rewrite;
mod script;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Provider;

pub use self::script::FaultScript;
pub(crate) use self::script::{Call, Strike};

/// A fault script as a file can hold it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// When something goes wrong, and what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    #[serde(default)]
    pub when: When,
    /// Seconds by which the answer comes later.
    #[serde(default)]
    pub delay_seconds: f64,
    /// Absent: nothing but the delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Fault>,
}

impl Rule {
    pub fn new(when: When, then: Fault) -> Self {
        Self { when, delay_seconds: 0.0, then: Some(then) }
    }

    /// A rule that makes answers slow; or, where it names the kind, predictions.
    pub fn delay(when: When, by: Duration) -> Self {
        Self { when, delay_seconds: by.as_secs_f64(), then: None }
    }
}

/// Which calls a rule is about: those that fit everything given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// Absent: any that the fault can strike.
    pub kind: Option<CallKind>,
    /// Absent: either.
    pub provider: Option<Provider>,
    /// What the key of an online request or of a batch row contains, or the id of the key that
    /// signed an assertion; or, of a prediction and of the calls about one, its attempt or, once it
    /// has one, its id.
    pub key: Option<String>,
    /// What the prompt of an online request, of a batch row or of a prediction contains.
    pub prompt: Option<String>,
    /// What the display name of a file or job contains.
    pub display_name: Option<String>,
    /// The model of an online request or of a create, exactly.
    pub model: Option<String>,
    /// Seconds after the sandbox's start from which the rule holds.
    pub from_seconds: Option<f64>,
    /// Seconds after the sandbox's start at which it ends.
    pub to_seconds: Option<f64>,
    /// Which of the calls that fit so far.
    pub nth: Option<Nth>,
    /// How many of them, by chance: 0 none, 1 all.
    pub probability: Option<f64>,
}

impl When {
    pub fn any() -> Self {
        Self::default()
    }

    pub fn kind(kind: CallKind) -> Self {
        Self { kind: Some(kind), ..Self::default() }
    }

    pub fn provider(provider: Provider) -> Self {
        Self { provider: Some(provider), ..Self::default() }
    }

    #[must_use]
    pub fn key(mut self, part: impl Into<String>) -> Self {
        self.key = Some(part.into());
        self
    }

    #[must_use]
    pub fn prompt(mut self, part: impl Into<String>) -> Self {
        self.prompt = Some(part.into());
        self
    }

    #[must_use]
    pub fn display_name(mut self, part: impl Into<String>) -> Self {
        self.display_name = Some(part.into());
        self
    }

    #[must_use]
    pub fn model(mut self, id: impl Into<String>) -> Self {
        self.model = Some(id.into());
        self
    }

    /// The time after the sandbox's start in which the rule holds.
    #[must_use]
    pub fn between(mut self, from: Duration, to: Duration) -> Self {
        self.from_seconds = Some(from.as_secs_f64());
        self.to_seconds = Some(to.as_secs_f64());
        self
    }

    #[must_use]
    pub fn nth(mut self, nth: Nth) -> Self {
        self.nth = Some(nth);
        self
    }

    #[must_use]
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = Some(probability);
        self
    }
}

/// Counts from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nth {
    Only(u64),
    First(u64),
    Every(u64),
}

/// What is asked for. `Row` is no call but a row of a batch job, which meets the script once, when
/// its job is created; `Prediction` likewise is no call but a prediction, when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    Token,
    Online,
    Upload,
    Create,
    Row,
    Get,
    List,
    Cancel,
    Delete,
    Download,
    PredictionCreate,
    Prediction,
    PredictionGet,
    PredictionList,
    PredictionCancel,
    /// At Replicate: who the account is, and which models there are.
    PredictionModel,
    /// Of a prediction's picture.
    Delivery,
}

impl CallKind {
    pub const fn provider(self) -> Provider {
        match self {
            Self::Token
            | Self::Online
            | Self::Upload
            | Self::Create
            | Self::Row
            | Self::Get
            | Self::List
            | Self::Cancel
            | Self::Delete
            | Self::Download => Provider::Google,
            Self::PredictionCreate
            | Self::Prediction
            | Self::PredictionGet
            | Self::PredictionList
            | Self::PredictionCancel
            | Self::PredictionModel
            | Self::Delivery => Provider::Replicate,
        }
    }
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Calls: an error status with the provider's body, nothing done.
    Status {
        code: u16,
        #[serde(default)]
        retry_after_seconds: Option<u64>,
    },
    /// Calls to Google: an error status with this reason, as machines read it, such as
    /// `SERVICE_DISABLED`.
    Refuse { code: u16, reason: String },
    /// Tokens: none for this assertion, for what Google gives as error and description.
    RefuseGrant { error: String, description: String },
    /// Calls to Google but downloads, rows: these fields are missing, wherever they stand.
    DropFields { fields: Vec<String> },
    /// The same: these fields are null, and so they are at the top where they stand nowhere.
    NullFields { fields: Vec<String> },
    /// The same: states are `JOB_STATE_*`, counts are strings where they are numbers, and the reverse.
    Respell,
    /// The same: nothing but `{}`.
    Bare,
    /// Calls: no connection, nothing received. On a port the connection closes without an answer.
    RefuseConnection,
    /// Calls: carried out and billed, but no answer.
    LoseAnswer,
    /// Online, rows: `promptFeedback.blockReason` and no candidates.
    BlockPrompt { reason: String },
    /// Online, rows: a candidate that ends for this `finishReason` and has no picture. `MAX_TOKENS`
    /// thinks up to the cap. On `:predict` the picture is filtered; where the reason names neither
    /// safety nor content, it is only missing.
    Finish { reason: String },
    /// Online, rows: a picture of so many bytes, where it would have fewer.
    Heavy { bytes: usize },
    /// Online, rows: an answer that does not say what it used. It is billed all the same.
    NoUsage,
    /// Rows: a line that nobody can read.
    GarbleRow,
    /// Rows: absent from the result file.
    MissingRow {
        /// Whether it was carried out and is paid for all the same.
        #[serde(default = "yes")]
        billed: bool,
    },
    /// Rows: twice in the result file, billed once.
    DuplicateRow,
    /// Rows: an error with this RPC number.
    ErrorRow { code: i32 },
    /// Create: the job's result file is in reverse order.
    ReorderRows,
    /// Create: the job fails when it would have ended, with this RPC number.
    FailJob {
        #[serde(default = "internal")]
        code: i32,
    },
    /// Create: the job expires when it would have ended.
    ExpireJob,
    /// Create: where the job is cancelled, so many of its rows were done, and are billed.
    CancelMidway {
        rows: usize,
        /// Whether they stand in a result file.
        results: bool,
    },
    /// Create: the job stays pending for so long before it runs, or until it expires.
    StickPending {
        #[serde(default)]
        seconds: Option<u64>,
    },
    /// Download: the stream breaks after so many rows.
    CutDownload { after_rows: usize },
    /// Download: every row takes so long.
    SlowDownload { row_seconds: u64 },
    /// Predictions: fails with this error, part of the way.
    Fail { error: String },
    /// Predictions: succeeds without a picture.
    EmptyOutput,
    /// Predictions: stays starting for so long before it runs, or for ever.
    Stick {
        #[serde(default)]
        seconds: Option<u64>,
    },
    /// Prediction get: shows this status.
    OddStatus { status: String },
    /// Lists: leave out what is younger than this.
    LagList { seconds: u64 },
    /// List: before each job stand so many of others, newer ones, whose names begin or end like its own.
    /// Meant for all pages of a list alike.
    LookAlikes { jobs: usize },
    /// Delivery: the stream breaks after so many bytes.
    CutPicture { after_bytes: usize },
    /// Delivery: the bytes come in pieces, over so many seconds.
    SlowPicture { seconds: u64 },
}

impl Fault {
    pub fn status(code: u16) -> Self {
        Self::Status { code, retry_after_seconds: None }
    }

    pub fn refuse(code: u16, reason: impl Into<String>) -> Self {
        Self::Refuse { code, reason: reason.into() }
    }

    /// A refusal for content, as it mostly arrives.
    pub fn refused() -> Self {
        Self::finish("IMAGE_SAFETY")
    }

    pub fn finish(reason: impl Into<String>) -> Self {
        Self::Finish { reason: reason.into() }
    }

    pub fn blocked(reason: impl Into<String>) -> Self {
        Self::BlockPrompt { reason: reason.into() }
    }

    pub fn fail(error: impl Into<String>) -> Self {
        Self::Fail { error: error.into() }
    }

    /// A failure by its code, such as `E003`, in the words that go with it.
    pub fn failed(code: &str) -> Self {
        let words = match code {
            "PA" => "Prediction interrupted; please retry",
            "E003" => {
                "Service is currently unavailable due to high demand. Please try again later."
            }
            "E004" => "Service is temporarily unavailable. Please try again later.",
            "E005" => "The input or output was flagged as sensitive.",
            "E1001" => "CUDA out of memory.",
            "E9828" => "Director: unexpected error handling prediction",
            _ => "An error occurred",
        };
        let code = if code == "PA" { "code: PA" } else { code };
        Self::fail(format!("{words} ({code})"))
    }

    /// How young a thing may be and not be listed yet, in seconds.
    pub(crate) const fn lag(&self) -> u64 {
        match self {
            Self::LagList { seconds } => *seconds,
            _ => 0,
        }
    }

    const fn strikes(&self, kind: CallKind) -> bool {
        use CallKind::{
            Create, Delivery, Download, List, Online, Prediction, PredictionGet, PredictionList,
            Row, Token,
        };
        match self {
            Self::Refuse { .. } => {
                matches!(kind.provider(), Provider::Google) && !matches!(kind, Token | Row)
            }
            Self::RefuseGrant { .. } => matches!(kind, Token),
            Self::DropFields { .. } | Self::NullFields { .. } | Self::Respell | Self::Bare => {
                matches!(kind.provider(), Provider::Google) && !matches!(kind, Download)
            }
            Self::Status { .. } | Self::RefuseConnection | Self::LoseAnswer => {
                !matches!(kind, Row | Prediction)
            }
            Self::BlockPrompt { .. } | Self::Finish { .. } | Self::Heavy { .. } | Self::NoUsage => {
                matches!(kind, Online | Row)
            }
            Self::GarbleRow
            | Self::MissingRow { .. }
            | Self::DuplicateRow
            | Self::ErrorRow { .. } => matches!(kind, Row),
            Self::ReorderRows
            | Self::FailJob { .. }
            | Self::ExpireJob
            | Self::CancelMidway { .. }
            | Self::StickPending { .. } => {
                matches!(kind, Create)
            }
            Self::CutDownload { .. } | Self::SlowDownload { .. } => matches!(kind, Download),
            Self::Fail { .. } | Self::EmptyOutput | Self::Stick { .. } => {
                matches!(kind, Prediction)
            }
            Self::OddStatus { .. } => matches!(kind, PredictionGet),
            Self::LagList { .. } => matches!(kind, List | PredictionList),
            Self::LookAlikes { .. } => matches!(kind, List),
            Self::CutPicture { .. } | Self::SlowPicture { .. } => matches!(kind, Delivery),
        }
    }
}

/// `INTERNAL`.
const fn internal() -> i32 {
    13
}

const fn yes() -> bool {
    true
}
