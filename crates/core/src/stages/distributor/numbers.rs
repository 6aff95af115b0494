//! What was made of a render row, in numbers.

use crate::{
    chain::Step,
    ids::{AttemptId, RenderId},
    metrics::{
        ATTEMPTS_FAILED, DUPLICATE_IMAGES, FALLBACKS, RENDER_COST, RENDER_SECONDS, RENDERS_FAILED,
        RENDERS_SUCCEEDED, RESCUES,
    },
    outcome::Outcome,
    picture::PictureRef,
    render::{Render, RenderStatus, Rescue},
    stages::buyer::picture_prefix,
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
    /// The attempts that were granted beside another, or after one of unknown end.
    grants: Vec<AttemptId>,
    /// Where the picture is that it had.
    picture: Option<String>,
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
            grants: row.granted.iter().chain(rescue).cloned().collect(),
            picture: drawn(row).map(|picture| picture.key.clone()),
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

    /// Whether a grant is about one of the two pictures: the one there was, or the attempt's. A grant is
    /// for one picture more, and excuses no others.
    fn is_granted(&self, attempt: &AttemptId) -> bool {
        let drew = |grant: &AttemptId| {
            self.picture.as_ref().is_some_and(|key| key.starts_with(&picture_prefix(grant)))
        };
        self.grants.iter().any(|grant| grant == attempt || drew(grant))
    }

    /// What the attempt gave that changed the row.
    pub(super) fn tell_outcome(&self, attempt: &AttemptId, outcome: &Outcome) {
        match outcome {
            Outcome::Failed { class } => ATTEMPTS_FAILED.count([class.as_str()], 1),
            // What is enlarged is paid for twice by design.
            Outcome::Image { .. } if self.pays_again && attempt.step() != Some(Step::Upscale) => {
                let granted = self.is_granted(attempt);
                let grant = if granted { "granted" } else { "ungranted" };
                if !granted {
                    tracing::error!(render = %self.render_id, %attempt, "paid twice without a grant");
                }
                DUPLICATE_IMAGES.count([grant], 1);
            }
            Outcome::Image { .. } | Outcome::Refused => {}
        }
    }
}

/// The picture that a row owes its end to, as its model drew it.
fn drawn(row: &Render) -> Option<&PictureRef> {
    match (&row.interim, &row.status) {
        (Some(interim), _) => Some(&interim.picture),
        (None, RenderStatus::Succeeded { picture, .. }) => Some(picture),
        (None, _) => None,
    }
}

fn rescue_of(row: &Render) -> Option<&AttemptId> {
    row.rescue.as_ref().and_then(Rescue::attempt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::Size, chain::Fidelity, contract::fixtures, picture::Mime, render::Interim,
    };

    #[test]
    fn a_grant_excuses_the_pictures_that_it_is_about_and_no_others() {
        let of = |step, n| AttemptId::of(&fixtures::render_id(1).as_batch(), step, n);
        let (unknown, after, rescue, stray) =
            (of(Step::Gemini, 1), of(Step::Sdxl, 1), of(Step::Gemini, 2), of(Step::Gemini, 3));
        let granted = |had: &AttemptId, enlarged: bool, attempt: &AttemptId| {
            let picture = |attempt: &AttemptId| {
                let key = format!("{}r.png", picture_prefix(attempt));
                PictureRef { key, bytes: 1, mime: Mime::Png }
            };
            let (fidelity, size, at) = (Fidelity::Exact, Size::OneK, fixtures::start());
            let end = if enlarged { of(Step::Upscale, 1) } else { had.clone() };
            let row = Render {
                granted: Some(unknown.clone()),
                rescue: Some(Rescue::Granted { attempt: rescue.clone() }),
                interim: enlarged.then(|| Interim { picture: picture(had), fidelity, size }),
                status: RenderStatus::Succeeded { picture: picture(&end), fidelity, size, at },
                ..fixtures::render(1)
            };
            Change::of(&row, &Before::of(&row)).is_granted(attempt)
        };
        for enlarged in [false, true] {
            assert!(granted(&after, enlarged, &unknown) && granted(&unknown, enlarged, &after));
            assert!(granted(&rescue, enlarged, &stray) && granted(&stray, enlarged, &rescue));
            assert!(!granted(&after, enlarged, &stray) && !granted(&stray, enlarged, &after));
        }
    }
}
