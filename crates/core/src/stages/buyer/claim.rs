//! Claiming: from a buying message to an attempt that may be sent, at most one at a time.

use chrono::TimeDelta;

use super::{Buyer, LEASE_MARGIN, Purchase};
use crate::{
    attempt::{Attempt, AttemptState, NeverBought, Share, WaitReason},
    budget::Verdict,
    lane::Lane,
    money::Micros,
    outcome::FailClass,
    polling::{backoff_seconds, delay_until},
    ports::{CallError, Outgoing, Written},
    stages::{Invocation, StageError},
};

/// How long a deferred batch waits before it asks for money again.
const DEFERRAL: TimeDelta = TimeDelta::seconds(60);
/// How long before its renders run out of time an attempt is made for the last time.
const LAST_CHANCE: TimeDelta = TimeDelta::seconds(30);
const MIN_WAIT: TimeDelta = TimeDelta::seconds(1);

/// When a call from which nothing came is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::stages) enum Again {
    /// After a while that grows each time.
    Soon,
    /// Once more just before the time is over, and only by a render that has nowhere else to go.
    Last,
}

/// Where a purchase stands after claiming.
pub(in crate::stages) enum Claim {
    /// Ours to send.
    Ours(Attempt),
    /// Its paying call was made, or may have been: what became of it?
    Sent(Attempt),
    /// Someone else is, was or will be at it: nothing to do for this message.
    Done,
}

/// Why there is no money. A shopper does not wait for room; a batch whose time ran out while it
/// waited leaves those of its renders that have time to another.
const fn unfunded(lane: Lane, verdict: Verdict) -> NeverBought {
    match (lane, verdict) {
        (Lane::Batch, Verdict::Deferred | Verdict::Fits) => NeverBought::Deferred,
        (Lane::Batch, Verdict::Open) | (Lane::Online, _) => NeverBought::Unfunded,
    }
}

/// What an attempt comes to whose time is over while it waits. The provider that was never asked did
/// not fail.
const fn out_of_time(attempt: &Attempt, why: WaitReason) -> NeverBought {
    match why {
        WaitReason::Deferred => NeverBought::Deferred,
        WaitReason::Barred if attempt.busy == 0 => NeverBought::Diverted,
        WaitReason::Barred | WaitReason::Provider => NeverBought::Expired,
    }
}

impl Buyer {
    /// Claims the attempt with its money. The first delivery goes straight to the conditional write.
    pub(in crate::stages) async fn claim(
        &self,
        purchase: &Purchase,
        call: &Invocation,
    ) -> Result<Claim, StageError> {
        match self.claim_any(purchase, call).await? {
            // Accepted before its last day, and due to be bought after it: nobody need be asked.
            Claim::Ours(attempt) if self.has_retired(&attempt, purchase) => {
                self.tell_retired(&attempt);
                self.settle_all(attempt, FailClass::Retired).await.map(|()| Claim::Done)
            }
            claim => Ok(claim),
        }
    }

    async fn claim_any(&self, purchase: &Purchase, call: &Invocation) -> Result<Claim, StageError> {
        if purchase.wait == 0 {
            let draft = self.draft(purchase)?;
            if let Some(claim) = self.open(draft, purchase, call).await? {
                return Ok(claim);
            }
        }
        // A first write can meet another's transaction that came to nothing.
        let Some(attempt) = self.attempts.get(&purchase.attempt_id).await? else {
            return Err(StageError::retry(format!("attempt {} is busy", purchase.attempt_id)));
        };
        self.claim_again(attempt, purchase, call).await
    }

    /// The first write; none where the attempt exists already.
    async fn open(
        &self,
        draft: Attempt,
        purchase: &Purchase,
        call: &Invocation,
    ) -> Result<Option<Claim>, StageError> {
        let now = self.clock.now();
        let never = if now >= purchase.buy_before() {
            Some(NeverBought::Expired)
        } else {
            purchase.is_dropped().then_some(NeverBought::Dropped)
        };
        if let Some(why) = never {
            let write = draft.never_bought(why, now);
            let write = write.map_err(StageError::reject)?;
            return match self.write(&write).await? {
                Written::Done => self.tell(write.attempt).await.map(|()| Some(Claim::Done)),
                Written::Conflict | Written::NoHeadroom(_) => Ok(None),
            };
        }
        let budget = self.budget(purchase).await;
        let write = draft.clone().open(budget, now, call.deadline + LEASE_MARGIN);
        let balance = match self.write(&write).await? {
            Written::Done => return Ok(Some(Claim::Ours(write.attempt))),
            Written::Conflict => return Ok(None),
            Written::NoHeadroom(balance) => balance,
        };
        let until = now + DEFERRAL;
        let verdict = balance.judge(draft.reserved(), budget);
        let waits = purchase.lane == Lane::Batch
            && verdict == Verdict::Deferred
            && until < purchase.wait_until();
        let write = if waits {
            draft.open_deferred(until)
        } else {
            let why = unfunded(purchase.lane, verdict);
            draft.never_bought(why, now).map_err(StageError::reject)?
        };
        match self.write(&write).await? {
            Written::Done if waits => self.come_back(write.attempt, purchase.clone()).await,
            Written::Done => self.tell(write.attempt).await.map(|()| Claim::Done),
            Written::Conflict | Written::NoHeadroom(_) => return Ok(None),
        }
        .map(Some)
    }

    /// A later delivery, or a redelivery: what to do follows from the row.
    async fn claim_again(
        &self,
        attempt: Attempt,
        purchase: &Purchase,
        call: &Invocation,
    ) -> Result<Claim, StageError> {
        let now = self.clock.now();
        match attempt.state {
            AttemptState::Claimed { lease_until } | AttemptState::Sending { lease_until, .. }
                if lease_until > now =>
            {
                Err(StageError::retry(format!("attempt {} is under way", attempt.id)))
            }
            AttemptState::Claimed { .. } | AttemptState::Waiting { .. }
                if purchase.is_dropped() =>
            {
                self.end_unbought(attempt, NeverBought::Dropped).await
            }
            AttemptState::Claimed { .. } if now < purchase.buy_before() => {
                self.reclaim(attempt, purchase, call).await
            }
            AttemptState::Claimed { .. } => self.end_unbought(attempt, NeverBought::Expired).await,
            // A message from before the last wait; only the last of them may owe the next.
            AttemptState::Waiting { .. } if purchase.wait + 1 < attempt.waits => Ok(Claim::Done),
            AttemptState::Waiting { until, .. } if purchase.wait < attempt.waits || until > now => {
                self.come_back(attempt, purchase.clone()).await
            }
            AttemptState::Waiting { why, .. }
                if now >= purchase.wait_until().min(purchase.buy_before()) =>
            {
                let why = out_of_time(&attempt, why);
                self.end_unbought(attempt, why).await
            }
            AttemptState::Waiting { .. } => self.reclaim(attempt, purchase, call).await,
            AttemptState::Sending { .. } | AttemptState::Submitted { .. } => {
                Ok(Claim::Sent(attempt))
            }
            AttemptState::Held { .. }
            | AttemptState::Settled { .. }
            | AttemptState::NeverBought { .. } => {
                self.tell_again(attempt).await.map(|()| Claim::Done)
            }
        }
    }

    async fn reclaim(
        &self,
        attempt: Attempt,
        purchase: &Purchase,
        call: &Invocation,
    ) -> Result<Claim, StageError> {
        let now = self.clock.now();
        let budget = self.budget(purchase).await;
        let write = attempt.clone().claim(budget, now, call.deadline + LEASE_MARGIN);
        let write = write.map_err(StageError::retry)?;
        let balance = match self.write(&write).await? {
            Written::Done => return Ok(Claim::Ours(write.attempt)),
            Written::Conflict => {
                return Err(StageError::retry(format!("attempt {} was claimed", attempt.id)));
            }
            Written::NoHeadroom(balance) => balance,
        };
        let until = now + DEFERRAL;
        let verdict = balance.judge(attempt.reserved(), budget);
        if purchase.lane == Lane::Batch
            && verdict == Verdict::Deferred
            && until < purchase.wait_until()
        {
            let attempt = self.commit(attempt.deferred(until)).await?;
            return self.come_back(attempt, purchase.clone()).await;
        }
        self.end_unbought(attempt, unfunded(purchase.lane, verdict)).await
    }

    pub(in crate::stages) async fn end_unbought(
        &self,
        attempt: Attempt,
        why: NeverBought,
    ) -> Result<Claim, StageError> {
        let attempt = self.commit(attempt.never_bought(why, self.clock.now())).await?;
        self.tell(attempt).await.map(|()| Claim::Done)
    }

    /// Nothing was bought: the attempt waits while its renders can, and its message comes back.
    pub(in crate::stages) async fn put_off(
        &self,
        attempt: Attempt,
        purchase: Purchase,
        asked: Option<std::time::Duration>,
        again: Again,
        why: WaitReason,
    ) -> Result<(), StageError> {
        let now = self.clock.now();
        let seconds = backoff_seconds(attempt.waits + 1, asked, self.random.next_u64());
        // One last try just before the time is over, rather than none for a wait beyond it.
        let last = purchase.wait_until() - LAST_CHANCE;
        let until = match again {
            Again::Soon => (now + TimeDelta::seconds(seconds.into())).min(last),
            Again::Last if purchase.has_elsewhere() => now,
            Again::Last => last,
        };
        if until <= now + MIN_WAIT {
            let why = out_of_time(&attempt, why);
            return self.end_unbought(attempt, why).await.map(drop);
        }
        let attempt = self.commit(attempt.waiting(until, why)).await?;
        self.come_back(attempt, purchase).await.map(drop)
    }

    /// Sends the buying message again for when the wait is over.
    async fn come_back(&self, attempt: Attempt, purchase: Purchase) -> Result<Claim, StageError> {
        let AttemptState::Waiting { until, .. } = attempt.state else {
            return Ok(Claim::Done);
        };
        let (queue, body) = purchase.again(attempt.waits)?;
        let delay = delay_until(self.clock.now(), until);
        self.queue.send(queue, vec![Outgoing::delayed(body, delay)]).await?;
        Ok(Claim::Done)
    }

    /// The call gave no answer: waits, holds or ends, as the error says.
    pub(in crate::stages) async fn not_answered(
        &self,
        attempt: Attempt,
        purchase: Purchase,
        error: CallError,
        again: Again,
    ) -> Result<(), StageError> {
        tracing::warn!(attempt = %attempt.id, %error, "no answer from the provider");
        match error {
            CallError::NotCreated { retry_after, .. } => {
                self.put_off(attempt, purchase, retry_after, again, WaitReason::Provider).await
            }
            CallError::Unknown(_) => {
                let held = self.commit(attempt.held(self.clock.now())).await?;
                self.tell(held).await
            }
            CallError::Unfit(_) => self.settle_all(attempt, FailClass::Invalid).await,
            CallError::Rejected { class, .. } => {
                if class == FailClass::Retired {
                    self.tell_retired(&attempt);
                }
                self.settle_all(attempt, class).await
            }
        }
    }

    /// The limit in force of the account that pays.
    async fn budget(&self, purchase: &Purchase) -> Micros {
        self.settings.settings().await.daily_budget_of(purchase.step.account())
    }

    fn draft(&self, purchase: &Purchase) -> Result<Attempt, StageError> {
        let now = self.clock.now();
        let mut shares = Vec::with_capacity(purchase.orders.len());
        for order in &purchase.orders {
            shares.push(Share {
                render_id: order.render_id.clone(),
                entry: order.entry.clone(),
                maximum: purchase.maximum(order)?,
            });
        }
        Ok(Attempt {
            id: purchase.attempt_id.clone(),
            version: 0,
            batch_id: purchase.batch_id.clone(),
            step: purchase.step,
            lane: purchase.lane,
            backend: purchase.key.backend,
            model: purchase.key.model.clone(),
            shares,
            account: purchase.step.account(),
            date: now.date_naive(),
            left_out: Vec::new(),
            run_until: purchase.run_until(),
            rescue: purchase.is_rescue().then_some(self.rescue_budget),
            waits: 0,
            busy: 0,
            // Overwritten by the first transition.
            state: AttemptState::Claimed { lease_until: now },
            announced: false,
            due_at: None,
        })
    }
}
