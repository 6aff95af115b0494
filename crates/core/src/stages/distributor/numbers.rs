//! What was made of a render row, in numbers.

use crate::{
    chain::Step,
    gates::{Class, Rules},
    ids::{AttemptId, RenderId},
    metrics::{
        ATTEMPTS_FAILED, DUPLICATE_IMAGES, FALLBACKS, RENDER_COST, RENDER_FAILURES, RENDER_SECONDS,
        RENDERS_FAILED, RENDERS_SUCCEEDED, RESCUES, TARGET_SHARE,
    },
    outcome::Outcome,
    picture::PictureRef,
    render::{FailureCode, Render, RenderStatus, Rescue},
    routing::Route,
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
        let route = row.assigned.as_str();
        let seconds = (at - row.accepted_at).as_seconds_f64();
        RENDER_SECONDS.record([row.lane.as_str()], seconds);
        let end = if matches!(row.status, RenderStatus::Failed { .. }) { "none" } else { "image" };
        RENDER_COST.record([route, end], row.cost().usd());
        if let Some(failed) = failed(row) {
            let (class, target) = target(row);
            TARGET_SHARE.record([route, class.as_str()], seconds / target);
            RENDER_FAILURES.record([route], f64::from(u8::from(failed)));
        }
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

/// Whether the assigned route's own provider gave no picture; none where that is no news of it: refused
/// for its content, or never asked of it, for want of money or because its breaker was open.
fn failed(row: &Render) -> Option<bool> {
    let own = match row.assigned {
        Route::Gemini => Step::Gemini,
        Route::Legacy => Step::NanoBanana,
    };
    match &row.status {
        RenderStatus::Failed { code, .. } => match code {
            FailureCode::ContentRefused | FailureCode::BudgetExhausted => None,
            FailureCode::ProviderUnavailable | FailureCode::TimedOut => Some(true),
        },
        _ if drawn(row).and_then(drawn_by) == Some(own) => Some(false),
        _ => (row.assigned == Route::Legacy || row.google_failed).then_some(true),
    }
}

/// How long a render may take, in seconds, and what is judged beside it.
fn target(row: &Render) -> (Class, f64) {
    let (class, rules) = (Class::of(row.lane, row.request.quality), Rules::default());
    let seconds = match class {
        Class::Online => f64::from(rules.online_seconds),
        Class::OnlineLarge => f64::from(rules.online_large_seconds),
        Class::Batch => (row.deadline_at - row.accepted_at).as_seconds_f64(),
    };
    (class, seconds)
}

/// The step that drew a picture, by where it is kept.
fn drawn_by(picture: &PictureRef) -> Option<Step> {
    AttemptId::from(picture.key.strip_prefix("out/")?).step()
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
        catalogue::{Quality, Size},
        chain::Fidelity,
        contract::fixtures,
        lane::Lane,
        picture::Mime,
        render::Interim,
    };

    #[test]
    fn a_picture_of_another_s_is_a_failure_unless_the_provider_was_never_asked() {
        let at = fixtures::start();
        let ended = |assigned, google_failed, status| {
            failed(&Render { assigned, status, google_failed, ..fixtures::render(1) })
        };
        let by = |step| {
            let attempt = AttemptId::of(&fixtures::render_id(1).as_batch(), step, 1);
            let key = format!("{}r.png", picture_prefix(&attempt));
            let picture = PictureRef { key, bytes: 1, mime: Mime::Png };
            RenderStatus::Succeeded { picture, fidelity: Fidelity::Exact, size: Size::OneK, at }
        };
        let without = |code| RenderStatus::Failed { code, at };
        let (google, legacy) = (Route::Gemini, Route::Legacy);
        for (assigned, asked, status, expected) in [
            (google, false, by(Step::Gemini), Some(false)),
            // An attempt before failed.
            (google, true, by(Step::Gemini), Some(false)),
            (google, true, by(Step::Sdxl), Some(true)),
            (google, false, by(Step::Sdxl), None),
            (google, false, by(Step::NanoBanana), None),
            (legacy, false, by(Step::NanoBanana), Some(false)),
            (legacy, false, by(Step::PhotoMaker), Some(true)),
            (google, true, without(FailureCode::ProviderUnavailable), Some(true)),
            (legacy, false, without(FailureCode::TimedOut), Some(true)),
            (google, true, without(FailureCode::ContentRefused), None),
            (google, false, without(FailureCode::BudgetExhausted), None),
        ] {
            let told = format!("{assigned} {asked} {status:?}");
            assert_eq!(ended(assigned, asked, status), expected, "{told}");
        }
    }

    #[test]
    fn a_batch_render_has_its_own_deadline_and_an_online_one_its_class_s() {
        let row = |lane, quality| {
            let mut row = Render { lane, ..fixtures::render(1) };
            row.request.quality = quality;
            row.deadline_at = row.accepted_at + chrono::TimeDelta::hours(2);
            target(&row)
        };
        assert_eq!(row(Lane::Online, Quality::Hd), (Class::Online, 60.0));
        assert_eq!(row(Lane::Online, Quality::FourK), (Class::OnlineLarge, 300.0));
        assert_eq!(row(Lane::Batch, Quality::FourK), (Class::Batch, 7_200.0));
    }

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
