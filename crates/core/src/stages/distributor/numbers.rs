//! What was made of a render row, in numbers.

use crate::{
    chain::Step,
    ids::{AttemptId, RenderId},
    metrics::{
        ATTEMPTS_FAILED, DUPLICATE_IMAGES, FALLBACKS, RENDER_COST, RENDER_SECONDS, RENDERS_FAILED,
        RENDERS_SUCCEEDED, RESCUES,
    },
    outcome::Outcome,
    render::{Render, RenderStatus, Rescue},
};

/// A row before it was changed.
pub(super) struct Before {
    step: Step,
    ended: bool,
    has_picture: bool,
    bills: usize,
    rescued: bool,
}

/// What became of a row.
pub(super) struct Change {
    pub(super) render_id: RenderId,
    went_on: bool,
    ended: bool,
    /// It had a picture, and one more bill came.
    pays_again: bool,
    /// By a grant that its row records.
    granted: bool,
    rescued: bool,
}

impl Before {
    pub(super) fn of(row: &Render) -> Self {
        let succeeded = matches!(row.status, RenderStatus::Succeeded { .. });
        Self {
            step: row.step,
            ended: row.is_ended(),
            has_picture: succeeded || row.interim.is_some(),
            bills: row.costs.len(),
            rescued: rescue_of(row).is_some(),
        }
    }
}

impl Change {
    pub(super) fn of(row: &Render, before: &Before) -> Self {
        let rescue = rescue_of(row);
        Self {
            render_id: row.id.clone(),
            went_on: row.step != before.step,
            ended: row.is_ended() && !before.ended,
            pays_again: before.has_picture && row.costs.len() > before.bills,
            granted: row.granted.is_some() || rescue.is_some(),
            rescued: rescue.is_some() && !before.rescued,
        }
    }

    /// Once the row is written.
    pub(super) fn tell(&self, row: &Render) {
        if self.went_on {
            FALLBACKS.count([row.step.as_str()], 1);
        }
        if self.rescued {
            RESCUES.count(["granted"], 1);
        }
        let Some(at) = row.status.ended_at().filter(|_| self.ended) else {
            return;
        };
        match &row.status {
            RenderStatus::Failed { code, .. } => RENDERS_FAILED.count([code.as_str()], 1),
            _ => RENDERS_SUCCEEDED.count([row.step.as_str()], 1),
        }
        let lane = [row.lane.as_str()];
        RENDER_SECONDS.record(lane, (at - row.accepted_at).as_seconds_f64());
        RENDER_COST.record(lane, row.cost().usd());
        let by_rescue = |picture: &str| {
            rescue_of(row).is_some_and(|attempt| picture.contains(attempt.as_str()))
        };
        if let RenderStatus::Succeeded { picture, .. } = &row.status
            && by_rescue(&picture.key)
        {
            RESCUES.count(["delivered"], 1);
        }
    }

    /// What the attempt gave that changed the row.
    pub(super) fn tell_outcome(&self, attempt: &AttemptId, outcome: &Outcome) {
        match outcome {
            Outcome::Failed { class } => ATTEMPTS_FAILED.count([class.as_str()], 1),
            // What is enlarged is paid for twice by design.
            Outcome::Image { .. } if self.pays_again && attempt.step() != Some(Step::Upscale) => {
                let grant = if self.granted { "granted" } else { "ungranted" };
                if !self.granted {
                    tracing::error!(render = %self.render_id, %attempt, "paid twice without a grant");
                }
                DUPLICATE_IMAGES.count([grant], 1);
            }
            Outcome::Image { .. } | Outcome::Refused => {}
        }
    }
}

fn rescue_of(row: &Render) -> Option<&AttemptId> {
    row.rescue.as_ref().and_then(Rescue::attempt)
}
