//! Brings the pictures of a finished job home, row by row, in bounded memory.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use futures_util::{StreamExt, stream::FuturesUnordered};

use super::{
    Imagen,
    online::{picture_key, picture_prefix, price},
};
use crate::{
    attempt::{Attempt, Share},
    chain::Step,
    ids::RenderId,
    money::Micros,
    outcome::{FailClass, Outcome, RenderOutcome},
    picture::PictureRef,
    ports::{Answer, ResultRow, RowAnswer},
    stages::{Invocation, StageError},
};

/// How many pictures are on their way to the object store at once.
const AT_ONCE: usize = 4;
/// A fetch stops this long before its invocation is killed, and goes on in the next one.
const STOP_BEFORE: TimeDelta = TimeDelta::seconds(20);

pub(super) enum Fetched {
    /// One outcome for each render.
    All(Vec<RenderOutcome>),
    /// Cut off, or out of time: what is stored stays stored.
    Part,
}

impl Imagen {
    /// Streams the result file. Rows may come in any order, twice, or not at all; one bad row costs
    /// no other.
    pub(super) async fn fetch(
        &self,
        attempt: &Attempt,
        results: Option<String>,
        call: &Invocation,
    ) -> Result<Fetched, StageError> {
        let Some(file) = results else {
            return Ok(Fetched::All(complete(attempt, BTreeMap::new())));
        };
        let mut rows = match self.batch.results(&file).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(attempt = %attempt.id, %error, "results could not be fetched");
                return Ok(Fetched::Part);
            }
        };
        let stored: BTreeSet<String> = self
            .objects
            .list(&picture_prefix(&attempt.id))
            .await?
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        let shares: BTreeMap<&RenderId, &Share> =
            attempt.shares.iter().map(|share| (&share.render_id, share)).collect();
        let (mut seen, mut outcomes) = (BTreeSet::new(), BTreeMap::new());
        let mut storing = FuturesUnordered::new();
        let mut cut = false;
        while let Some(row) = rows.next().await {
            let Ok(ResultRow { render_id, answer }) = row else {
                cut = true;
                break;
            };
            // The first row of a render counts.
            let share = render_id.and_then(|id| shares.get(&id).copied());
            if let Some(share) = share.filter(|share| seen.insert(&share.render_id)) {
                storing.push(self.bring_home(attempt, share, answer, &stored));
            }
            if storing.len() >= AT_ONCE
                && let Some(outcome) = storing.next().await
            {
                outcomes.insert(outcome.render_id.clone(), outcome);
            }
            if self.clock.now() + STOP_BEFORE >= call.deadline {
                cut = true;
                break;
            }
        }
        while let Some(outcome) = storing.next().await {
            outcomes.insert(outcome.render_id.clone(), outcome);
        }
        // A job that was read to its end just before its time is complete all the same.
        if cut && outcomes.len() < shares.len() {
            return Ok(Fetched::Part);
        }
        Ok(Fetched::All(complete(attempt, outcomes)))
    }

    async fn bring_home(
        &self,
        attempt: &Attempt,
        share: &Share,
        answer: Answer,
        stored: &BTreeSet<String>,
    ) -> RenderOutcome {
        let entry = self.catalogue.get(&share.entry);
        let cost =
            entry.map_or(share.maximum, |entry| price(entry, attempt.lane, &answer, share.maximum));
        // A row that failed at Google without saying what it used was not billed.
        let unbilled = matches!(answer.given, RowAnswer::Failed(_)) && answer.usage.is_none();
        let cost = if unbilled { Micros::ZERO } else { cost };
        let outcome = match &answer.given {
            RowAnswer::Picture(picture)
                if stored.contains(&picture_key(&attempt.id, &share.render_id, picture)) =>
            {
                Outcome::Image {
                    picture: PictureRef {
                        key: picture_key(&attempt.id, &share.render_id, picture),
                        bytes: picture.bytes.len() as u64,
                        mime: picture.mime,
                    },
                    fidelity: Step::Gemini.fidelity(),
                }
            }
            _ => self.keep(&attempt.id, &share.render_id, answer.given).await,
        };
        RenderOutcome { render_id: share.render_id.clone(), outcome, cost }
    }
}

/// One outcome per render: one without a row is missing, and unpriced, so it costs what was reserved.
fn complete(
    attempt: &Attempt,
    mut outcomes: BTreeMap<RenderId, RenderOutcome>,
) -> Vec<RenderOutcome> {
    attempt
        .shares
        .iter()
        .map(|share| {
            outcomes.remove(&share.render_id).unwrap_or_else(|| RenderOutcome {
                render_id: share.render_id.clone(),
                outcome: Outcome::Failed { class: FailClass::Missing },
                cost: share.maximum,
            })
        })
        .collect()
}
