//! The Online lane: one render, one call, while a shopper waits.

use std::sync::Arc;

use futures_util::future::join;

use super::Imagen;
use crate::{
    attempt::{Attempt, Share},
    catalogue::{Entry, Size},
    chain::Step,
    ids::AttemptId,
    lane::Lane,
    messages::RenderOrder,
    money::Micros,
    outcome::{FailClass, Outcome, RenderOutcome},
    picture::PictureRef,
    ports::{Answer, OnlineProvider, RowAnswer},
    stages::{
        Invocation, StageError,
        buyer::{Claim, Purchase},
    },
};

impl Imagen {
    pub(super) async fn buy_online(
        &self,
        attempt_id: AttemptId,
        order: RenderOrder,
        wait: u32,
        call: &Invocation,
    ) -> Result<(), StageError> {
        let entry = self.buyer.entry(&order.entry)?;
        let backend = entry.backend(Lane::Online);
        let provider = backend.and_then(|backend| Some((backend, self.online.get(&backend)?)));
        let Some((backend, provider)) = provider else {
            return Err(StageError::reject(format!("entry {} has no online backend", order.entry)));
        };
        let purchase = Purchase::online(attempt_id, backend, entry.model.clone(), order, wait);
        // The token buys nothing, so it is fetched while the money is being reserved.
        let (claim, ready) = join(self.buyer.claim(&purchase, call), provider.prepare()).await;
        let attempt = match claim? {
            Claim::Ours(attempt) => attempt,
            Claim::Sent(attempt) => return self.resolve_attempt(attempt).await,
            Claim::Done => return Ok(()),
        };
        match ready {
            Ok(()) => self.generate(attempt, purchase, entry, provider, call).await,
            Err(error) => self.buyer.not_answered(attempt, purchase, error).await,
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
        let attempt = self.buyer.commit(attempt.sending(self.buyer.clock.now())).await?;
        match provider.generate(&purchase.orders[0], entry).await {
            Ok(answer) => {
                let share = &attempt.shares[0];
                let cost = price(entry, attempt.lane, &answer, share.maximum);
                let kept = self.keep(&attempt, share, answer.given, call).await;
                // Paid and lost: the bill stays true, and the render is tried again.
                let lost = Outcome::Failed { class: FailClass::Provider };
                let outcome = kept.unwrap_or(lost);
                let outcome = RenderOutcome { render_id: share.render_id.clone(), outcome, cost };
                let settled = attempt.settled(vec![outcome], self.buyer.clock.now());
                self.buyer.tell(self.buyer.commit(settled).await?).await
            }
            Err(error) => self.buyer.not_answered(attempt, purchase, error).await,
        }
    }

    /// Turns an answer into an outcome, its picture stored; none where it could not be.
    pub(super) async fn keep(
        &self,
        attempt: &Attempt,
        share: &Share,
        given: RowAnswer,
        call: &Invocation,
    ) -> Option<Outcome> {
        let picture = match given {
            RowAnswer::Picture(picture) => picture,
            RowAnswer::Refused => return Some(Outcome::Refused),
            RowAnswer::Failed(class) => return Some(Outcome::Failed { class }),
        };
        let kept = self.buyer.keep(&attempt.id, &share.render_id, &picture, call).await?;
        Some(self.image(share, kept))
    }

    pub(super) fn image(&self, share: &Share, picture: PictureRef) -> Outcome {
        let entry = self.buyer.catalogue.get(&share.entry);
        let size = entry.map_or(Size::OneK, |entry| entry.size);
        Outcome::Image { picture, fidelity: Step::Gemini.fidelity(), size }
    }
}

/// What an answer costs; one that does not say what it used costs all that was reserved for it.
pub(super) fn price(entry: &Entry, lane: Lane, answer: &Answer, maximum: Micros) -> Micros {
    answer.usage.map_or(maximum, |usage| entry.price.of(lane, usage))
}
