//! Erasing a user: photos, pictures and rows go, what was paid stays without the person.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use serde_json::json;

use super::{Ops, OpsError};
use crate::{
    attempt::AttemptState,
    audit::Act,
    batch::Batch,
    ids::UserId,
    ops::{Receipt, UnderWay, blank, photos_of, pictures_of},
    ports::PortError,
    render::Render,
    stages::router::below,
};

/// Renders that one call erases: its caller waits for it.
const MOST: usize = 50;
/// How often a batch is read again that others write.
const ROUNDS: usize = 8;

impl Ops {
    /// Erases what there is of a user, as much as one call can. Renders that go on are left, with
    /// their photos, until they have ended; so are photos that they need. Whoever dies in between
    /// leaves rows that are found again: they go last.
    pub async fn forget(&self, actor: &str, user: &UserId) -> Result<Receipt, OpsError> {
        let router = &self.router;
        let mut receipt = Receipt { at: router.clock.now(), ..Receipt::default() };
        let (mut before, mut over) = (None, Vec::new());
        let (mine, mut needed) = (below(user), BTreeSet::new());
        loop {
            let page = router.renders.list(user, before.as_ref(), MOST).await?;
            before = page.last().map(|render| render.id.clone());
            let whole = page.len() == MOST;
            for render in page {
                if is_over(&render) {
                    over.push(render);
                } else {
                    needed.extend(photos_of(&render, &mine).map(str::to_owned));
                    let (render_id, until) = (render.id, render.give_up_at);
                    receipt.under_way.push(UnderWay { render_id, until });
                }
            }
            if !whole || over.len() >= MOST {
                receipt.more = whole;
                break;
            }
        }
        // With nobody left to need them, whatever else the user uploaded goes, too.
        let last = receipt.under_way.is_empty() && !receipt.more;
        let own = if last { router.objects.list(&mine).await? } else { Vec::new() };
        if !over.is_empty() || !own.is_empty() {
            let known = json!({"renders": over.len(), "uploads": own.len(), "more": receipt.more});
            // It says that somebody is forgotten, and not who.
            let id = self.record(actor, Act::Forgotten, "asked for", known).await?;
            receipt.audit_id = Some(id.to_string());
        }
        for render in &over {
            self.erase_pictures(render, &mine, &needed, &mut receipt).await?;
        }
        let ids: Vec<_> = over.iter().map(|render| render.id.clone()).collect();
        receipt.renders = router.renders.erase(&ids).await?;
        receipt.photos += self.remove(own.iter().map(|(key, _)| key.as_str())).await?;
        Ok(receipt)
    }

    async fn erase_pictures(
        &self,
        render: &Render,
        own: &str,
        needed: &BTreeSet<String>,
        receipt: &mut Receipt,
    ) -> Result<(), PortError> {
        let batches = self.batches_of(render).await?;
        let attempts = self.attempts_of(render, &batches).await?;
        let pictures = pictures_of(render, &attempts);
        receipt.pictures += self.remove(pictures.iter().map(String::as_str)).await?;
        let photos = photos_of(render, own).filter(|key| !needed.contains(*key));
        let photos: BTreeSet<&str> = photos.collect();
        receipt.photos += self.remove(photos).await?;
        for batch in batches {
            receipt.batches += u64::from(self.blank(batch, render).await?);
        }
        let settled = |state: &AttemptState| matches!(state, AttemptState::Settled { .. });
        let paid = attempts.iter().filter(|attempt| settled(&attempt.state)).count();
        receipt.tries_kept += paid as u64;
        receipt.cost_kept += render.cost();
        Ok(())
    }

    /// Removes what is there of these objects; how many.
    async fn remove<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Result<u64, PortError> {
        let objects = &self.router.objects;
        let removals = keys.into_iter().map(async |key| {
            let there = objects.peek(key, 1).await?.is_some();
            objects.remove(key).await.map(|()| u64::from(there))
        });
        Ok(try_join_all(removals).await?.into_iter().sum())
    }

    /// Takes the words of a render, and the names of its photos, out of a batch; whether they were
    /// there.
    async fn blank(&self, batch: Batch, render: &Render) -> Result<bool, PortError> {
        let batches = &self.router.courier.batches;
        let mut current = Some(batch);
        for _ in 0..ROUNDS {
            let Some(mut batch) = current.take() else { return Ok(false) };
            let before = batch.orders.clone();
            for order in &mut batch.orders {
                if order.render_id == render.id {
                    blank(&mut order.request);
                    order.interim = None;
                }
            }
            if batch.orders == before {
                return Ok(false);
            }
            if batches.update(&batch).await? {
                return Ok(true);
            }
            current = batches.get(&batch.id).await?;
        }
        Err(PortError::Unavailable("a batch is busy".to_owned()))
    }
}

fn is_over(render: &Render) -> bool {
    render.is_ended() && render.owed.is_empty() && render.open_attempts.is_empty()
}
