//! Pictures into the object store, and the one way an attempt ends without any.

use std::time::Duration;

use chrono::TimeDelta;

use super::Buyer;
use crate::{
    attempt::Attempt,
    ids::{AttemptId, RenderId},
    money::Micros,
    outcome::{FailClass, Outcome, RenderOutcome},
    picture::{Mime, Picture, PictureRef},
    ports::PortError,
    stages::{Invocation, StageError},
};

/// How long a paid picture waits before it is offered to the object store again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Work that can wait stops this long before its invocation is killed.
pub(in crate::stages) const STOP_BEFORE: TimeDelta = TimeDelta::seconds(20);

impl Buyer {
    /// Stores a picture that an attempt gave a render; none where the store is away for so long that
    /// the invocation has no more time.
    pub(in crate::stages) async fn keep(
        &self,
        attempt: &AttemptId,
        render: &RenderId,
        picture: &Picture,
        call: &Invocation,
    ) -> Option<PictureRef> {
        let kept = kept_as(attempt, render, picture);
        if let Err(error) = self.store(&kept.key, picture, call).await {
            tracing::error!(%attempt, %render, %error, "a picture could not be stored");
            return None;
        }
        Some(kept)
    }

    /// A picture that is paid for is worth all the patience there is time for.
    async fn store(
        &self,
        key: &str,
        picture: &Picture,
        call: &Invocation,
    ) -> Result<(), PortError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.objects.put(key, picture.bytes.clone(), picture.mime).await {
                Err(PortError::Unavailable(_))
                    if self.clock.now() + pause + STOP_BEFORE < call.deadline =>
                {
                    self.clock.sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                result => return result,
            }
        }
    }

    /// Ends the attempt with the same failure for every render, at no cost.
    pub(in crate::stages) async fn settle_all(
        &self,
        attempt: Attempt,
        class: FailClass,
    ) -> Result<(), StageError> {
        self.settle_alike(attempt, &Outcome::Failed { class }, |_| Micros::ZERO).await
    }

    /// Ends the attempt with the same outcome for every render.
    pub(in crate::stages) async fn settle_alike(
        &self,
        attempt: Attempt,
        outcome: &Outcome,
        cost: impl Fn(Micros) -> Micros,
    ) -> Result<(), StageError> {
        let outcomes = attempt.shares.iter().map(|share| RenderOutcome {
            render_id: share.render_id.clone(),
            outcome: outcome.clone(),
            cost: cost(share.maximum),
        });
        let outcomes = outcomes.collect();
        let settled = self.commit(attempt.settled(outcomes, self.clock.now())).await?;
        self.tell(settled).await
    }

    /// A job that nobody can ask after any more: taken as billed, and without pictures.
    pub(in crate::stages) async fn settle_lost(&self, attempt: Attempt) -> Result<(), StageError> {
        tracing::error!(attempt = %attempt.id, "a job was lost at the provider");
        let unknown = Outcome::Failed { class: FailClass::Unknown };
        self.settle_alike(attempt, &unknown, |maximum| maximum).await
    }
}

/// Where a picture of an attempt is kept.
pub(in crate::stages) fn kept_as(
    attempt: &AttemptId,
    render: &RenderId,
    picture: &Picture,
) -> PictureRef {
    PictureRef {
        key: kept_at(attempt, render, picture.mime),
        bytes: picture.bytes.len() as u64,
        mime: picture.mime,
    }
}

pub(in crate::stages) fn kept_at(attempt: &AttemptId, render: &RenderId, mime: Mime) -> String {
    format!("{}{render}.{}", picture_prefix(attempt), mime.extension())
}

/// Pictures of one attempt share a prefix, so that an interrupted fetch finds what it has.
pub(in crate::stages) fn picture_prefix(attempt: &AttemptId) -> String {
    format!("out/{attempt}/")
}
