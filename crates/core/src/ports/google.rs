use std::{collections::BTreeMap, fmt, time::Duration};

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::{
    catalogue::{Entry, Usage},
    ids::{AttemptId, JobName, RenderId},
    messages::RenderOrder,
    outcome::FailClass,
    picture::Picture,
};

/// What a model gave for one render, with what it says it used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub given: RowAnswer,
    /// Absent where the provider did not say.
    pub usage: Option<Usage>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowAnswer {
    Picture(Picture),
    /// Refused for its content.
    Refused,
    Failed(FailClass),
}

/// Why a call to a provider gave no answer to work with. The text is for logs: no secrets, no
/// personal data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Surely nothing was created or bought (429, 503, no connection, a part of ours was away):
    /// may be repeated. With the wait the provider asked for.
    #[error("nothing was created: {reason}")]
    NotCreated {
        reason: String,
        retry_after: Option<Duration>,
        /// A part of ours was away: it says nothing of the provider.
        ours: bool,
    },
    /// Sent, and no telling whether it was carried out.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// Nothing was sent, since no request can be made of the render as it is: an input picture is
    /// missing, say. It says nothing of the provider.
    #[error("cannot be asked for: {0}")]
    Unfit(String),
    /// Refused for good: the class says whose fault it is. Nothing was bought.
    #[error("refused ({class:?}): {reason}")]
    Rejected { class: FailClass, reason: String },
}

/// Generates one render now.
#[async_trait]
pub trait OnlineProvider: Send + Sync + fmt::Debug {
    /// Everything that can be done before the paying call: a token that will still hold.
    async fn prepare(&self) -> Result<(), CallError>;
    /// The paying call. Not idempotent.
    async fn generate(&self, order: &RenderOrder, entry: &Entry) -> Result<Answer, CallError>;
}

/// One thing that a provider must let us do, and whether it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub what: String,
    pub state: FindingState,
}

/// The texts are for ops: no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindingState {
    /// There, with what is known of it.
    Good(String),
    /// Missing or refused, with what to do.
    Missing(String),
    /// Not to be found out now, and why.
    Unanswered(String),
    /// Not looked at, since something before it is missing or nobody needs it.
    Skipped(String),
}

impl FindingState {
    /// What is wrong, if anything is or may be.
    pub fn trouble(&self) -> Option<&str> {
        match self {
            Self::Missing(why) | Self::Unanswered(why) => Some(why),
            Self::Good(_) | Self::Skipped(_) => None,
        }
    }
}

/// A look at whether Google can be reached with what we have. It creates nothing and buys nothing.
#[async_trait]
pub trait GoogleCheck: Send + Sync + fmt::Debug {
    /// A finding each for the credentials, for these models where they can be asked after, and for the
    /// list of jobs.
    async fn look(&self, models: &[&str]) -> Vec<Finding>;
}

/// Runs batch jobs.
#[async_trait]
pub trait BatchProvider: Send + Sync + fmt::Debug {
    /// Uploads the rows as a file. Rows whose pictures are gone are left out, and named. Buys nothing;
    /// may be repeated.
    async fn upload(
        &self,
        name: &AttemptId,
        rows: &[(&RenderOrder, &Entry)],
    ) -> Result<Uploaded, CallError>;
    /// Creates the job `name` over an uploaded file. Buys; not idempotent.
    async fn create(&self, name: &AttemptId, model: &str, file: &str)
    -> Result<JobName, CallError>;
    /// The job that bears exactly this name, if the provider lists one; the oldest of several.
    async fn find(&self, name: &AttemptId) -> Result<Option<JobName>, CallError>;
    async fn status(&self, job: &JobName) -> Result<JobPhase, CallError>;
    /// Best effort.
    async fn cancel(&self, job: &JobName) -> Result<(), CallError>;
    /// The rows of a finished job's result file, as they stream in. `image_tokens` is what the
    /// picture of each render counts for, where that is known.
    async fn results(
        &self,
        file: &str,
        image_tokens: BTreeMap<RenderId, u32>,
    ) -> Result<ResultStream, CallError>;
}

/// A file of rows at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    pub file: String,
    /// Renders that are not in it.
    pub left_out: Vec<RenderId>,
}

/// Rows one by one; a row that cannot be read is a row of its own, an error ends the stream.
pub type ResultStream = BoxStream<'static, Result<ResultRow, CallError>>;

/// One row of a result file. Without a key nobody can say whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultRow {
    pub render_id: Option<RenderId>,
    pub answer: Answer,
}

/// What a job is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobPhase {
    Pending,
    Running,
    /// Finished; rows succeed and fail on their own.
    Succeeded {
        results: Option<String>,
    },
    Failed(FailClass),
    /// Cancelled, or given up by Google after 48 h. Rows that were done by then may be billed.
    Stopped {
        class: FailClass,
        /// How many were; none where Google does not say.
        done: Option<u64>,
        results: Option<String>,
    },
    /// A state newer than this release: asked again at the next poll.
    Unrecognised,
}
