//! The Online lane: one render, one call, while a shopper waits.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures_util::future::join;

use super::{
    Imagen,
    buy::{Claim, Purchase},
};
use crate::{
    attempt::Attempt,
    catalogue::Entry,
    chain::Step,
    ids::{AttemptId, RenderId},
    lane::Lane,
    messages::RenderOrder,
    money::Micros,
    outcome::{FailClass, Outcome, RenderOutcome},
    picture::{Picture, PictureRef},
    ports::{Answer, CallError, OnlineProvider, PortError, RowAnswer},
    stages::{Invocation, StageError},
};

/// How long a paid picture waits before it is offered to the object store again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Work that can wait stops this long before its invocation is killed.
pub(super) const STOP_BEFORE: TimeDelta = TimeDelta::seconds(20);

impl Imagen {
    pub(super) async fn buy_online(
        &self,
        attempt_id: AttemptId,
        order: RenderOrder,
        wait: u32,
        call: &Invocation,
    ) -> Result<(), StageError> {
        let entry = self.entry(&order.entry)?;
        let backend = entry.backend(Lane::Online);
        let provider = backend.and_then(|backend| Some((backend, self.online.get(&backend)?)));
        let Some((backend, provider)) = provider else {
            return Err(StageError::reject(format!("entry {} has no online backend", order.entry)));
        };
        let purchase = Purchase::online(attempt_id, backend, entry.model.clone(), order, wait);
        // The token buys nothing, so it is fetched while the money is being reserved.
        let (claim, ready) = join(self.claim(&purchase, call), provider.prepare()).await;
        let Claim::Ours(attempt) = claim? else {
            return Ok(());
        };
        match ready {
            Ok(()) => self.generate(attempt, purchase, entry, provider, call).await,
            Err(error) => self.not_answered(attempt, purchase, error).await,
        }
    }

    async fn generate(
        &self,
        attempt: Attempt,
        purchase: Purchase,
        entry: &Entry,
        provider: &Arc<dyn OnlineProvider>,
        call: &Invocation,
    ) -> Result<(), StageError> {
        let attempt = self.commit(attempt.sending(self.clock.now())).await?;
        match provider.generate(&purchase.orders[0], entry).await {
            Ok(answer) => {
                let share = &attempt.shares[0];
                let cost = price(entry, attempt.lane, &answer, share.maximum);
                let kept = self.keep(&attempt.id, &share.render_id, answer.given, call).await;
                // Paid and lost: the bill stays true, and the render is tried again.
                let lost = Outcome::Failed { class: FailClass::Provider };
                let outcome = kept.unwrap_or(lost);
                let outcome = RenderOutcome { render_id: share.render_id.clone(), outcome, cost };
                let settled = attempt.settled(vec![outcome], self.clock.now());
                self.tell(self.commit(settled).await?).await
            }
            Err(error) => self.not_answered(attempt, purchase, error).await,
        }
    }

    /// The call gave no answer: waits, holds or ends, as the error says.
    pub(super) async fn not_answered(
        &self,
        attempt: Attempt,
        purchase: Purchase,
        error: CallError,
    ) -> Result<(), StageError> {
        tracing::warn!(attempt = %attempt.id, %error, "no answer from the provider");
        match error {
            CallError::NotCreated { retry_after, .. } => {
                self.put_off(attempt, purchase, retry_after).await
            }
            CallError::Unknown(_) => {
                let held = self.commit(attempt.held(self.clock.now())).await?;
                self.tell(held).await
            }
            CallError::Rejected { class, .. } => self.settle_all(attempt, class).await,
        }
    }

    /// Ends the attempt with the same failure for every render, at no cost.
    pub(super) async fn settle_all(
        &self,
        attempt: Attempt,
        class: FailClass,
    ) -> Result<(), StageError> {
        let failed = |render_id: &RenderId| RenderOutcome {
            render_id: render_id.clone(),
            outcome: Outcome::Failed { class },
            cost: Micros::ZERO,
        };
        let outcomes = attempt.shares.iter().map(|share| failed(&share.render_id)).collect();
        let settled = self.commit(attempt.settled(outcomes, self.clock.now())).await?;
        self.tell(settled).await
    }

    /// Turns an answer into an outcome, its picture stored; none where the store is away for so long
    /// that the invocation has no more time.
    pub(super) async fn keep(
        &self,
        attempt: &AttemptId,
        render: &RenderId,
        given: RowAnswer,
        call: &Invocation,
    ) -> Option<Outcome> {
        let picture = match given {
            RowAnswer::Picture(picture) => picture,
            RowAnswer::Refused => return Some(Outcome::Refused),
            RowAnswer::Failed(class) => return Some(Outcome::Failed { class }),
        };
        let key = picture_key(attempt, render, &picture);
        if let Err(error) = self.store(&key, &picture, call).await {
            tracing::error!(%attempt, %render, %error, "a picture could not be stored");
            return None;
        }
        Some(Outcome::Image {
            picture: PictureRef { key, bytes: picture.bytes.len() as u64, mime: picture.mime },
            fidelity: Step::Gemini.fidelity(),
        })
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
}

/// Pictures of one attempt share a prefix, so that an interrupted fetch finds what it has.
pub(super) fn picture_key(attempt: &AttemptId, render: &RenderId, picture: &Picture) -> String {
    format!("{}{render}.{}", picture_prefix(attempt), picture.mime.extension())
}

pub(super) fn picture_prefix(attempt: &AttemptId) -> String {
    format!("out/{attempt}/")
}

/// What an answer costs; one that does not say what it used costs all that was reserved for it.
pub(super) fn price(entry: &Entry, lane: Lane, answer: &Answer, maximum: Micros) -> Micros {
    answer.usage.map_or(maximum, |usage| entry.price.of(lane, usage))
}
