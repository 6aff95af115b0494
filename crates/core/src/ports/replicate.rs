use std::{fmt, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::CallError;
use crate::{
    catalogue::PredictionModel,
    ids::{AttemptId, JobName},
    messages::RenderOrder,
    outcome::FailClass,
    picture::Picture,
    polling::Allowance,
};

/// Runs predictions: one render each.
#[async_trait]
pub trait Predictions: Send + Sync + fmt::Debug {
    /// Creates a prediction that the provider ends by itself after `time`. Buys; not idempotent. The
    /// attempt's id rides in the address of an input picture, by which it can be found again.
    async fn create(
        &self,
        attempt: &AttemptId,
        order: &RenderOrder,
        model: &PredictionModel,
        time: Duration,
    ) -> Result<JobName, CallError>;
    /// The prediction made for this attempt, among those created in the half hour from `since` on; the
    /// oldest of several.
    async fn find(
        &self,
        attempt: &AttemptId,
        since: DateTime<Utc>,
    ) -> Result<Option<JobName>, CallError>;
    async fn status(&self, job: &JobName) -> Result<Prediction, CallError>;
    /// Best effort.
    async fn cancel(&self, job: &JobName) -> Result<(), CallError>;
    /// A picture that a prediction made. `Rejected` where it is gone or is none.
    async fn picture(&self, address: &str) -> Result<Picture, CallError>;
}

/// What became of a prediction so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    pub phase: PredictionPhase,
    /// How long the model ran, where the provider says so.
    pub run: Option<Duration>,
    /// From its creation to its end: waiting included.
    pub took: Option<Duration>,
    /// When it ended, where the provider says so.
    pub ended: Option<DateTime<Utc>>,
    /// How many more questions the provider takes, where it says so.
    pub allowance: Option<Allowance>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PredictionPhase {
    Starting,
    Running,
    /// Where its pictures lie, in order; perhaps nowhere. An address may be a `data:` URI.
    Succeeded {
        pictures: Vec<String>,
    },
    /// It had pictures, which the provider has deleted since.
    Gone,
    /// Refused for its content.
    Refused,
    Failed(FailClass),
    /// Ended at our wish or for its time, after it began to run.
    Cancelled,
    /// Ended likewise before it began: free.
    Aborted,
    /// A status newer than this release: asked again at the next poll.
    Unrecognised,
}
