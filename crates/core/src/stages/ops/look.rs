//! What ops are shown.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures_util::future::{try_join_all, try_join4};

use super::Ops;
use crate::{
    attempt::Attempt,
    batch::Batch,
    chain::Step,
    ids::{AttemptId, RenderId},
    ops::{
        BackendLine, BatchLine, BudgetStatus, Explanation, Facts, OpsStatus, QueueLine, Standing,
        explain,
    },
    ports::PortError,
    render::{Render, Rescue},
};

/// What the shares of the routes are counted over.
const LATELY: TimeDelta = TimeDelta::hours(1);
/// How long a batch may have been open before a render joins it: as long as others keep Google busy.
const OPEN_AT_MOST: TimeDelta = TimeDelta::hours(26);
/// Tries of one step are looked for up to here, or as far as the row says.
const TRIES: u32 = 4;
/// Batches on one screen.
const MOST_BATCHES: usize = 200;

impl Ops {
    /// The house on one screen.
    pub async fn status(&self) -> Result<OpsStatus, PortError> {
        let router = &self.router;
        let (at, settings) = (router.clock.now(), router.settings.settings().await);
        let (health, shares, (budget, jobs), rollout) = try_join4(
            router.health(),
            router.renders.shares(at - LATELY),
            async { Ok((self.budget().await?, router.courier.batches.jobs().await?)) },
            self.rollout(),
        )
        .await?;
        let traffic = Standing::of(&settings, rollout.as_ref());
        Ok(OpsStatus {
            at,
            good: health.is_good() && traffic.failing.is_empty(),
            traffic,
            shares,
            budget,
            backends: health.providers.iter().map(BackendLine::from).collect(),
            open_batches: health.open_batches,
            jobs,
            queues: health.queues.iter().map(QueueLine::from).collect(),
            rollout,
        })
    }

    /// The money of today.
    pub async fn budget(&self) -> Result<BudgetStatus, PortError> {
        let router = &self.router;
        let (at, settings) = (router.clock.now(), router.settings.settings().await);
        let balances = router.ledger.balances(at.date_naive()).await?;
        let catalogue = router.courier.catalogue.current().await;
        Ok(BudgetStatus::of(&balances, &settings, &catalogue, at))
    }

    /// The batches that have not ended, the oldest first.
    pub async fn batches(&self) -> Result<Vec<BatchLine>, PortError> {
        let now = self.router.clock.now();
        let batches = self.router.courier.batches.under_way(MOST_BATCHES).await?;
        Ok(batches.iter().map(|batch| BatchLine::of(batch, now)).collect())
    }

    /// Why a render went where it went; none where there is no such render.
    pub async fn explain(&self, id: &RenderId) -> Result<Option<Explanation>, PortError> {
        let router = &self.router;
        let found = router.renders.get(std::slice::from_ref(id)).await?;
        let Some(render) = found.first() else { return Ok(None) };
        let batches = self.batches_of(render).await?;
        let attempts = self.attempts_of(render, &batches).await?;
        let settings = router.settings.settings().await;
        let catalogue = router.courier.catalogue.current().await;
        Ok(Some(explain(&Facts {
            render,
            attempts: &attempts,
            batches: &batches,
            catalogue: &catalogue,
            salt: &router.config.salt,
            lanes: &router.config.lanes,
            available: router.courier.rules.available,
            max_batch_size: settings.max_batch_size,
            now: router.clock.now(),
        })))
    }

    /// The batches that a render joined.
    pub(super) async fn batches_of(&self, render: &Render) -> Result<Vec<Batch>, PortError> {
        let from = render.accepted_at - OPEN_AT_MOST;
        let to = render.status.ended_at().unwrap_or(render.give_up_at);
        self.router.courier.batches.of_render(&render.id, from, to).await
    }

    /// Every try that was made for a render: those of its batches, those that its row names, and
    /// those of its own that there could be.
    pub(super) async fn attempts_of(
        &self,
        render: &Render,
        batches: &[Batch],
    ) -> Result<Vec<Attempt>, PortError> {
        let owner = render.id.as_batch();
        let own = Step::ALL.into_iter().flat_map(|step| {
            let most = if step == render.step { render.n.max(TRIES) } else { TRIES };
            (1..=most).map(move |n| (step, n))
        });
        let own = own.map(|(step, n)| AttemptId::of(&owner, step, n));
        let granted = render.granted.iter().chain(render.rescue.as_ref().and_then(Rescue::attempt));
        let named = render.costs.keys().chain(&render.open_attempts).chain(granted).cloned();
        let of_batches = batches.iter().map(Batch::attempt);
        let ids: BTreeSet<AttemptId> = own.chain(named).chain(of_batches).collect();
        let reads = ids.iter().map(|id| self.attempts.get(id));
        let found = try_join_all(reads).await?.into_iter().flatten();
        let is_for = |attempt: &Attempt| {
            attempt.shares.iter().any(|share| share.render_id == render.id)
                || attempt.left_out.contains(&render.id)
        };
        Ok(found.filter(is_for).collect())
    }
}
