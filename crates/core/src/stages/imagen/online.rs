//! The Online lane: one render, one call, while a shopper waits.

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::join;

use super::{
    Imagen,
    health::{Caller, sign_of_answer},
};
use crate::{
    attempt::{Attempt, Share},
    budget::Account,
    catalogue::{Backend, BatchKey, Catalogue, Entry, Size},
    chain::Step,
    ids::AttemptId,
    lane::Lane,
    messages::RenderOrder,
    metrics::{BILLS_ABOVE_RESERVATION, PRICE_DRIFT},
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
        let catalogue = self.buyer.catalogue.knowing(std::iter::once(&order.entry)).await?;
        let Some(entry) = catalogue.get(&order.entry) else {
            return self.drop_online(attempt_id, order, wait, catalogue, call).await;
        };
        let backend = entry.backend(Lane::Online);
        let provider = backend.and_then(|backend| Some((backend, self.online.get(&backend)?)));
        let Some((backend, provider)) = provider else {
            return Err(StageError::reject(format!("entry {} has no online backend", order.entry)));
        };
        let key = BatchKey { backend, model: entry.model.clone() };
        let purchase = Purchase::online(attempt_id, key, order, wait, catalogue.clone());
        // The token buys nothing, so it is fetched while the money is being reserved; unless the call
        // will hardly be made.
        let early = async {
            if self.is_well(backend).await { Some(provider.prepare().await) } else { None }
        };
        let (claim, ready) = join(self.buyer.claim(&purchase, call), early).await;
        let attempt = match claim? {
            Claim::Ours(attempt) => attempt,
            Claim::Sent(attempt) => return self.resolve_attempt(attempt).await,
            Claim::Done => return Ok(()),
        };
        if let Some(until) = self.barred(&attempt).await {
            return self.turn_away(attempt, purchase, until).await;
        }
        let ready = match ready {
            Some(ready) => ready,
            None => provider.prepare().await,
        };
        if let Err(error) = ready {
            return self.not_answered(attempt, purchase, error).await;
        }
        let takes = TimeDelta::seconds(entry.call_timeout_seconds.into());
        self.pace(&purchase, call.deadline - takes).await;
        self.generate(attempt, purchase, entry, provider, call).await
    }

    /// The catalogue has no such entry any more, so nobody knows what to ask for: the claim ends it.
    async fn drop_online(
        &self,
        attempt_id: AttemptId,
        order: RenderOrder,
        wait: u32,
        catalogue: Arc<Catalogue>,
        call: &Invocation,
    ) -> Result<(), StageError> {
        let key = BatchKey { backend: Backend::GeminiOnline, model: order.entry.to_string() };
        let purchase = Purchase::online(attempt_id, key, order, wait, catalogue);
        match self.buyer.claim(&purchase, call).await? {
            Claim::Sent(attempt) => self.resolve_attempt(attempt).await,
            Claim::Ours(_) | Claim::Done => Ok(()),
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
                let (caller, sign) = (Caller::of(&attempt), sign_of_answer(&answer.given));
                let finish = self.finish(attempt, entry, answer, call);
                join(finish, self.count(caller, sign, false)).await.0
            }
            Err(error) => self.not_answered(attempt, purchase, error).await,
        }
    }

    /// Brings the picture home, settles and tells.
    async fn finish(
        &self,
        attempt: Attempt,
        entry: &Entry,
        answer: Answer,
        call: &Invocation,
    ) -> Result<(), StageError> {
        let share = &attempt.shares[0];
        let cost = price(entry, attempt.lane, &answer, share.maximum);
        let kept = self.keep(&attempt, share, answer.given, call).await;
        // Paid and lost: the bill stays true, and the render is tried again.
        let lost = Outcome::Failed { class: FailClass::Provider };
        let outcome = kept.unwrap_or(lost);
        let outcome = RenderOutcome { render_id: share.render_id.clone(), outcome, cost };
        let settled = attempt.settled(vec![outcome], self.buyer.clock.now());
        let settled = self.buyer.commit(settled).await?;
        self.count_prices(&settled);
        self.buyer.tell(settled).await
    }

    /// Counts what a settled attempt cost, for whoever settled it: a result file may be read many
    /// times before that.
    pub(super) fn count_prices(&self, settled: &Attempt) {
        for one in settled.outcomes().unwrap_or_default() {
            let share = settled.shares.iter().find(|share| share.render_id == one.render_id);
            let bought = share.and_then(|share| {
                Some((share.maximum, self.buyer.catalogue.bought(&share.entry)?))
            });
            let Some((maximum, entry)) = bought else { continue };
            let (lane, cost) = (settled.lane, one.cost);
            // A picture that costs all that was reserved for it did not say what it used.
            if matches!(one.outcome, Outcome::Image { .. }) && cost != maximum {
                PRICE_DRIFT.record([lane.as_str()], cost.usd() / entry.typical(lane).usd());
            }
            if cost > maximum {
                let model = entry.model;
                tracing::error!(model, %cost, %maximum, "a bill above its reservation");
                BILLS_ABOVE_RESERVATION.count([Account::Google.as_str()], 1);
            }
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
        let entry = self.buyer.catalogue.bought(&share.entry);
        let size = entry.map_or(Size::OneK, |entry| entry.size);
        Outcome::Image { picture, fidelity: Step::Gemini.fidelity(), size }
    }
}

/// What an answer costs; one that does not say what it used costs all that was reserved for it.
pub(super) fn price(entry: &Entry, lane: Lane, answer: &Answer, maximum: Micros) -> Micros {
    answer.usage.map_or(maximum, |usage| entry.price.of(lane, usage))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::{Catalogue, Usage},
        contract::fixtures,
    };

    fn answer(usage: Option<Usage>) -> Answer {
        Answer { given: RowAnswer::Failed(FailClass::NoImage), usage }
    }

    #[test]
    fn a_price_follows_from_what_was_used_and_is_never_guessed() {
        let catalogue = Catalogue::built_in().unwrap();
        let entry = catalogue.get(&"nano-banana-1k-medium".into()).unwrap();
        let maximum = entry.maximum(Lane::Online, &fixtures::request());
        let cost = |lane, usage| price(entry, lane, &answer(usage), maximum);
        assert_eq!(cost(Lane::Online, None), maximum, "unpriced: all that was reserved");
        // 2,440 tokens in, a picture, and 180 of thinking: at $1.50, $30 and $7.50 a million.
        let usage = Usage { input: 2_440, image: 1_120, text: 180 };
        assert_eq!(cost(Lane::Online, Some(usage)), Micros::new(38_610));
        assert_eq!(cost(Lane::Batch, Some(usage)), Micros::new(19_305));
        let dear = Usage { text: 100_000, ..usage };
        assert!(cost(Lane::Online, Some(dear)) > maximum, "settled truthfully, and told");
    }
}
