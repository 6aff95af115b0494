use chrono::{DateTime, Utc};
use serde::Serialize;
use tryon_core::{
    catalogue::Quality,
    chain::Fidelity,
    ids::RenderId,
    lane::Lane,
    picture::Mime,
    render::{FailureCode, Render, RenderStatus},
};

/// A render as its customer sees it.
#[derive(Debug, Serialize)]
pub(super) struct RenderView<'a> {
    render_id: &'a RenderId,
    status: &'static str,
    quality: Quality,
    lane: Lane,
    accepted_at: DateTime<Utc>,
    deadline_at: DateTime<Utc>,
    give_up_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<PictureView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureView>,
}

#[derive(Debug, Serialize)]
struct PictureView {
    mime: Mime,
    bytes: u64,
    fidelity: Fidelity,
}

#[derive(Debug, Serialize)]
struct FailureView {
    code: FailureCode,
}

impl<'a> RenderView<'a> {
    pub(super) fn of(render: &'a Render) -> Self {
        let (picture, failure) = match &render.status {
            RenderStatus::Succeeded { picture, fidelity, .. } => {
                let view =
                    PictureView { mime: picture.mime, bytes: picture.bytes, fidelity: *fidelity };
                (Some(view), None)
            }
            RenderStatus::Failed { code, .. } => (None, Some(FailureView { code: *code })),
            RenderStatus::Accepted | RenderStatus::Queued | RenderStatus::Generating => {
                (None, None)
            }
        };
        Self {
            render_id: &render.id,
            status: render.status.as_str(),
            quality: render.request.quality,
            lane: render.lane,
            accepted_at: render.accepted_at,
            deadline_at: render.deadline_at,
            give_up_at: render.give_up_at,
            ended_at: render.status.ended_at(),
            picture,
            failure,
        }
    }
}
