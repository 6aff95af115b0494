//! Brings the pictures of a finished job home, row by row, in bounded memory.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use futures_util::{
    StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};

use super::{Imagen, online::price};
use crate::{
    attempt::{Attempt, Share},
    ids::RenderId,
    money::Micros,
    outcome::{FailClass, Outcome, RenderOutcome},
    picture::{Mime, PictureRef},
    ports::{Answer, ResultRow, ResultStream, RowAnswer},
    stages::{
        Invocation, StageError,
        buyer::{STOP_BEFORE, kept_as, kept_at, picture_prefix},
    },
};

/// Pictures of the attempt that were stored before, with their lengths.
type Stored = BTreeMap<String, u64>;

/// How many pictures are on their way to the object store at once.
const AT_ONCE: usize = 4;

pub(super) enum Fetched {
    /// One outcome for each render.
    All(Vec<RenderOutcome>),
    /// Cut off, or out of time: what is stored stays stored. With one outcome for each render all the
    /// same, should there be no other time.
    Part(Vec<RenderOutcome>),
}

/// What becomes of renders without a row.
#[derive(Clone, Copy)]
pub(super) enum Rest {
    /// The job was done with all of them.
    Missing,
    /// The job was stopped when it was done with so many; none where nobody says.
    Stopped { class: FailClass, done: Option<u64> },
}

impl Imagen {
    /// Streams the result file. Rows may come in any order, twice, or not at all; one bad row costs
    /// no other.
    pub(super) async fn fetch(
        &self,
        attempt: &Attempt,
        results: Option<String>,
        rest: Rest,
        call: &Invocation,
    ) -> Result<Fetched, StageError> {
        let Some(file) = results else {
            return Ok(Fetched::All(complete(attempt, BTreeMap::new(), rest)));
        };
        let stored = self.buyer.objects.list(&picture_prefix(&attempt.id)).await?;
        let stored: Stored = stored.into_iter().collect();
        let mut outcomes = BTreeMap::new();
        let image_tokens = attempt.shares.iter().filter_map(|share| {
            let entry = self.buyer.catalogue.bought(&share.entry)?;
            Some((share.render_id.clone(), entry.price.image_tokens))
        });
        let whole = match self.batch.results(&file, image_tokens.collect()).await {
            Ok(rows) => self.read_rows(attempt, rows, &stored, &mut outcomes, call).await,
            Err(error) => {
                tracing::warn!(attempt = %attempt.id, %error, "results could not be fetched");
                false
            }
        };
        if whole {
            return Ok(Fetched::All(complete(attempt, outcomes, rest)));
        }
        self.add_earlier(attempt, &stored, &mut outcomes);
        Ok(Fetched::Part(complete(attempt, outcomes, rest)))
    }

    /// Reads what comes; whether that was one row for each render, or all there is.
    async fn read_rows(
        &self,
        attempt: &Attempt,
        mut rows: ResultStream,
        stored: &Stored,
        outcomes: &mut BTreeMap<RenderId, RenderOutcome>,
        call: &Invocation,
    ) -> bool {
        let shares: BTreeMap<&RenderId, &Share> =
            attempt.shares.iter().map(|share| (&share.render_id, share)).collect();
        let mut seen = BTreeSet::new();
        let mut storing = FuturesUnordered::new();
        let mut cut = false;
        // A stream that stands still ends with the time there is, too.
        let left = call.deadline - STOP_BEFORE - self.buyer.clock.now();
        let mut time = self.buyer.clock.sleep(left.to_std().unwrap_or_default());
        loop {
            let row = match select(rows.next(), time).await {
                Either::Left((row, timer)) => {
                    time = timer;
                    row
                }
                Either::Right(_) => {
                    cut = true;
                    break;
                }
            };
            let Some(row) = row else { break };
            let Ok(ResultRow { render_id, answer }) = row else {
                cut = true;
                break;
            };
            // The first row of a render counts.
            let share = render_id.and_then(|id| shares.get(&id).copied());
            if let Some(share) = share.filter(|share| seen.insert(&share.render_id)) {
                storing.push(self.bring_home(attempt, share, answer, stored, call));
            }
            if storing.len() >= AT_ONCE
                && let Some(stored) = storing.next().await
            {
                cut |= stored.is_none();
                outcomes.extend(stored.map(by_render));
            }
            cut |= self.buyer.clock.now() + STOP_BEFORE >= call.deadline;
            if cut {
                break;
            }
        }
        while let Some(stored) = storing.next().await {
            cut |= stored.is_none();
            outcomes.extend(stored.map(by_render));
        }
        // A job that was read to its end just before its time is complete all the same.
        !cut || outcomes.len() == shares.len()
    }

    /// Pictures of an earlier look, should there be no other: their rows did not come again to say what
    /// they cost.
    fn add_earlier(
        &self,
        attempt: &Attempt,
        stored: &Stored,
        outcomes: &mut BTreeMap<RenderId, RenderOutcome>,
    ) {
        for share in &attempt.shares {
            let kept = Mime::ALL.into_iter().find_map(|mime| {
                let key = kept_at(&attempt.id, &share.render_id, mime);
                let bytes = *stored.get(&key)?;
                Some(PictureRef { key, bytes, mime })
            });
            if let Some(kept) = kept {
                let outcome = self.image(share, kept);
                let render_id = share.render_id.clone();
                outcomes.entry(render_id.clone()).or_insert(RenderOutcome {
                    render_id,
                    outcome,
                    cost: share.maximum,
                });
            }
        }
    }

    async fn bring_home(
        &self,
        attempt: &Attempt,
        share: &Share,
        answer: Answer,
        stored: &Stored,
        call: &Invocation,
    ) -> Option<RenderOutcome> {
        let entry = self.buyer.catalogue.bought(&share.entry);
        let cost = entry
            .map_or(share.maximum, |entry| price(&entry, attempt.lane, &answer, share.maximum));
        let kept = match &answer.given {
            RowAnswer::Picture(picture) => Some(kept_as(&attempt.id, &share.render_id, picture)),
            RowAnswer::Refused | RowAnswer::Failed(_) => None,
        };
        let outcome = match kept.filter(|kept| stored.contains_key(&kept.key)) {
            Some(kept) => self.image(share, kept),
            None => self.keep(attempt, share, answer.given, call).await?,
        };
        Some(RenderOutcome { render_id: share.render_id.clone(), outcome, cost })
    }
}

fn by_render(outcome: RenderOutcome) -> (RenderId, RenderOutcome) {
    (outcome.render_id.clone(), outcome)
}

/// One outcome per render. One without a row is missing, and unpriced, so it costs what was reserved
/// for it; one that was never sent costs nothing.
fn complete(
    attempt: &Attempt,
    mut outcomes: BTreeMap<RenderId, RenderOutcome>,
    rest: Rest,
) -> Vec<RenderOutcome> {
    let unread = |share: &&Share| {
        !outcomes.contains_key(&share.render_id) && !attempt.left_out.contains(&share.render_id)
    };
    let mut billed: Vec<&Share> = attempt.shares.iter().filter(unread).collect();
    let class = match rest {
        Rest::Missing => FailClass::Missing,
        Rest::Stopped { class, done } => {
            // Nobody knows which of them were done: the dearest, until somebody says otherwise.
            billed.sort_by_key(|share| Reverse(share.maximum));
            let priced = outcomes.values().filter(|one| one.cost > Micros::ZERO).count() as u64;
            let most = done.map_or(u64::MAX, |done| done.saturating_sub(priced));
            billed.truncate(usize::try_from(most).unwrap_or(usize::MAX));
            class
        }
    };
    let billed: BTreeSet<&RenderId> = billed.into_iter().map(|share| &share.render_id).collect();
    let without_row = |share: &Share| {
        let left_out = attempt.left_out.contains(&share.render_id);
        let class = if left_out { FailClass::Invalid } else { class };
        let is_billed = billed.contains(&share.render_id);
        RenderOutcome {
            render_id: share.render_id.clone(),
            outcome: Outcome::Failed { class },
            cost: if is_billed { share.maximum } else { Micros::ZERO },
        }
    };
    let shares = attempt.shares.iter();
    shares
        .map(|share| outcomes.remove(&share.render_id).unwrap_or_else(|| without_row(share)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::fixtures;

    #[test]
    fn a_job_that_was_stopped_costs_what_was_done() {
        let attempt = fixtures::attempt(1, &[10, 30, 20].map(Micros::new));
        let id = |n: usize| attempt.shares[n].render_id.clone();
        let costs = |rows: &[(usize, u64)], done| {
            let failed = Outcome::Failed { class: FailClass::NoImage };
            let row = |&(n, cost): &(usize, u64)| RenderOutcome {
                render_id: id(n),
                outcome: failed.clone(),
                cost: Micros::new(cost),
            };
            let rows = rows.iter().map(|one| by_render(row(one))).collect();
            let rest = Rest::Stopped { class: FailClass::Cancelled, done };
            complete(&attempt, rows, rest).iter().map(|one| one.cost.get()).collect::<Vec<_>>()
        };
        assert_eq!(costs(&[], None), [10, 30, 20], "nobody says: all that was reserved");
        assert_eq!(costs(&[], Some(0)), [0, 0, 0]);
        assert_eq!(costs(&[], Some(1)), [0, 30, 0], "the dearest");
        assert_eq!(costs(&[(1, 5)], Some(1)), [0, 5, 0], "its row says what it cost");
        assert_eq!(costs(&[(1, 5)], Some(2)), [0, 5, 20]);
        assert_eq!(costs(&[(1, 0)], Some(1)), [0, 0, 20], "a row with an error was not done");
    }
}
