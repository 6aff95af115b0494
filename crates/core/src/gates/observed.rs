//! A render as the gates look at it.

use chrono::{DateTime, Utc};

use crate::{
    catalogue::Quality,
    chain::Fidelity,
    ids::{RenderId, UserId},
    money::Micros,
    rating::Rating,
    render::{Course, FailureCode, Render, RenderStatus, own_step},
    routing::Route,
};

/// One render.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    pub id: RenderId,
    pub user: UserId,
    pub assigned: Route,
    pub quality: Quality,
    /// Of the first garment.
    pub category: String,
    pub accepted_at: DateTime<Utc>,
    pub deadline_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub failure: Option<FailureCode>,
    pub fidelity: Option<Fidelity>,
    pub cost: Micros,
    pub course: Course,
    pub rating: Option<Rating>,
}

impl Observed {
    /// None for a row from before its course was kept.
    pub fn of(render: &Render, rating: Option<Rating>) -> Option<Self> {
        let (failure, fidelity) = match &render.status {
            RenderStatus::Failed { code, .. } => (Some(*code), None),
            RenderStatus::Succeeded { fidelity, .. } => (None, Some(*fidelity)),
            RenderStatus::Accepted | RenderStatus::Queued | RenderStatus::Generating => {
                (None, None)
            }
        };
        let garment = render.request.garments.first();
        Some(Self {
            id: render.id.clone(),
            user: render.user_id.clone(),
            assigned: render.assigned,
            quality: render.request.quality,
            category: garment.map(|garment| garment.category.clone()).unwrap_or_default(),
            accepted_at: render.accepted_at,
            deadline_at: render.deadline_at,
            ended_at: render.status.ended_at(),
            failure,
            fidelity,
            cost: render.cost(),
            course: render.course.clone()?,
            rating,
        })
    }

    /// Whether its end says nothing of the provider: it was refused for its content, or the provider was
    /// not asked.
    pub(super) fn is_left_out(&self) -> bool {
        let unasked = self.failure == Some(FailureCode::BudgetExhausted) || self.course.unasked;
        let own = self.course.drawn_by == Some(own_step(self.assigned));
        self.failure == Some(FailureCode::ContentRefused) || (unasked && !own)
    }

    /// Whether its assigned provider made the picture.
    pub(super) fn is_delivered(&self) -> bool {
        self.fidelity.is_some() && self.course.drawn_by == Some(own_step(self.assigned))
    }
}
