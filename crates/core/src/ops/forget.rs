//! What is left of a user who is forgotten: what was paid, without the person.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    attempt::{Attempt, AttemptState},
    ids::RenderId,
    money::Micros,
    outcome::Outcome,
    picture::PictureRef,
    render::{Render, RenderStatus},
    request::RenderRequest,
};

/// What was erased, and what was not. It names no person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The entry of the audit that this is; none where nothing was there.
    pub audit_id: Option<String>,
    pub at: DateTime<Utc>,
    /// Rows of renders, with their ratings.
    pub renders: u64,
    /// Photos that went in.
    pub photos: u64,
    /// Pictures that came out.
    pub pictures: u64,
    /// Batches out of which the words and the photos' names were taken.
    pub batches: u64,
    /// Paid tries that stay, with their cost in micro-dollars: they name no person.
    pub tries_kept: u64,
    pub cost_kept: Micros,
    /// Renders that go on; they are to be asked after once more.
    pub under_way: Vec<UnderWay>,
    /// There is more than one call could erase: ask again.
    pub more: bool,
}

/// A render that has not ended, or whose bill is not in yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    pub render_id: RenderId,
    /// It has ended by then.
    pub until: DateTime<Utc>,
}

impl Receipt {
    /// The two together.
    #[must_use]
    pub fn and(self, next: Self) -> Self {
        Self {
            audit_id: next.audit_id.or(self.audit_id),
            at: next.at,
            renders: self.renders + next.renders,
            photos: self.photos + next.photos,
            pictures: self.pictures + next.pictures,
            batches: self.batches + next.batches,
            tries_kept: self.tries_kept + next.tries_kept,
            cost_kept: self.cost_kept + next.cost_kept,
            under_way: next.under_way,
            more: next.more,
        }
    }
}

/// A request without anything of the person's: what remains says how large it was.
pub fn blank(request: &mut RenderRequest) {
    request.prompt.clear();
    request.person.photo.key.clear();
    for garment in &mut request.garments {
        garment.photo.key.clear();
        garment.description.clear();
    }
}

/// The photos of a render that are its user's: the person, wherever it lies, and garments among the
/// user's own uploads. Garments that a backend shares between users stay.
pub fn photos_of<'a>(render: &'a Render, own: &'a str) -> impl Iterator<Item = &'a str> {
    let garments = render.request.garments.iter().map(|garment| garment.photo.key.as_str());
    let garments = garments.filter(move |key| key.starts_with(own));
    garments.chain([render.request.person.photo.key.as_str()])
}

/// Every picture that was made for a render, delivered or not.
pub fn pictures_of(render: &Render, attempts: &[Attempt]) -> Vec<String> {
    let delivered = match &render.status {
        RenderStatus::Succeeded { picture, .. } => Some(picture),
        _ => None,
    };
    let interim = render.interim.as_ref().map(|interim| &interim.picture);
    let made = attempts.iter().filter_map(|attempt| made_by(attempt, &render.id));
    let mut keys: Vec<String> =
        made.chain(delivered).chain(interim).map(|picture| picture.key.clone()).collect();
    keys.sort();
    keys.dedup();
    keys
}

fn made_by<'a>(attempt: &'a Attempt, render: &RenderId) -> Option<&'a PictureRef> {
    let AttemptState::Settled { outcomes, .. } = &attempt.state else { return None };
    outcomes.iter().find(|outcome| outcome.render_id == *render).and_then(|outcome| match &outcome
        .outcome
    {
        Outcome::Image { picture, .. } => Some(picture),
        _ => None,
    })
}
