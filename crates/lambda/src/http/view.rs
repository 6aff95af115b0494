//! A render as its customer sees it.

use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use serde::Serialize;
use tryon_core::{
    catalogue::{Quality, Size},
    chain::Fidelity,
    ids::RenderId,
    lane::Lane,
    picture::{Mime, PictureRef},
    ports::PortError,
    render::{FailureCode, Render, RenderStatus},
    stages::Router,
};

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
    /// A smaller picture, while it is being enlarged.
    #[serde(skip_serializing_if = "Option::is_none")]
    interim: Option<PictureView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureView>,
}

#[derive(Debug, Serialize)]
struct PictureView {
    url: String,
    expires_at: DateTime<Utc>,
    mime: Mime,
    bytes: u64,
    fidelity: Fidelity,
    size: &'static str,
}

#[derive(Debug, Serialize)]
struct FailureView {
    code: FailureCode,
    detail: &'static str,
}

impl<'a> RenderView<'a> {
    pub(super) async fn of(render: &'a Render, router: &Router) -> Result<Self, PortError> {
        let (mut picture, mut interim, mut failure) = (None, None, None);
        match &render.status {
            RenderStatus::Succeeded { picture: made, fidelity, size, .. } => {
                picture = Some(PictureView::of(made, *fidelity, *size, router).await?);
            }
            RenderStatus::Failed { code, .. } => {
                failure = Some(FailureView { code: *code, detail: detail(*code) });
            }
            RenderStatus::Accepted | RenderStatus::Queued | RenderStatus::Generating => {
                if let Some(made) = &render.interim {
                    let view = PictureView::of(&made.picture, made.fidelity, made.size, router);
                    interim = Some(view.await?);
                }
            }
        }
        Ok(Self {
            render_id: &render.id,
            status: render.status.as_str(),
            quality: render.request.quality,
            lane: render.lane,
            accepted_at: render.accepted_at,
            deadline_at: render.deadline_at,
            give_up_at: render.give_up_at,
            ended_at: render.status.ended_at(),
            picture,
            interim,
            failure,
        })
    }

    pub(super) async fn all(
        renders: &'a [Render],
        router: &Router,
    ) -> Result<Vec<Self>, PortError> {
        try_join_all(renders.iter().map(|render| Self::of(render, router))).await
    }
}

impl PictureView {
    async fn of(
        picture: &PictureRef,
        fidelity: Fidelity,
        size: Size,
        router: &Router,
    ) -> Result<Self, PortError> {
        let link = router.link(picture).await?;
        Ok(Self {
            url: link.url,
            expires_at: link.expires_at,
            mime: picture.mime,
            bytes: picture.bytes,
            fidelity,
            size: match size {
                Size::OneK => "1k",
                Size::TwoK => "2k",
                Size::FourK => "4k",
            },
        })
    }
}

const fn detail(code: FailureCode) -> &'static str {
    match code {
        FailureCode::ContentRefused => {
            "the pictures or the wish were refused for their content; ask for something else"
        }
        FailureCode::ProviderUnavailable => "no model made a picture; ask again later",
        FailureCode::BudgetExhausted => "the day's budget is spent; ask again after midnight UTC",
        FailureCode::TimedOut => "no picture came in time; ask again, or give it more time",
    }
}
