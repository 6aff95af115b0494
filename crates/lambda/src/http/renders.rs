//! `/v1/renders` and what lies below it.

use http::StatusCode;
use serde::Serialize;
use tryon_core::{
    render::Render,
    request::RenderRequest,
    stages::{NewRender, Router},
};

use super::{
    ask, caller::Asker, incoming::Incoming, patience::ask_again_in, problem::Problem, reply::Reply,
    view::RenderView,
};

#[derive(Debug, Serialize)]
struct PageView<'a> {
    renders: Vec<RenderView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

pub(super) async fn create(request: &Incoming, router: &Router) -> Result<Reply, Problem> {
    let asker = Asker::of(request)?;
    let idempotency_key = ask::idempotency_key(request)?;
    let (wish, named) = ask::body::<RenderRequest<String>>(request)?;
    let (caller, user_id) = asker.user(named)?;
    let now = router.clock.now();
    let new = NewRender { caller, user_id, idempotency_key, request: wish };
    let accepted = router.accept(new).await.map_err(|error| Problem::refused(error, now))?;
    let location = format!("{}/v1/renders/{}", request.prefix, accepted.render.id);
    let reply = shown(StatusCode::ACCEPTED, &accepted.render, router).await?;
    Ok(reply.with([("location", location)]))
}

pub(super) async fn read(request: &Incoming, id: &str, router: &Router) -> Result<Reply, Problem> {
    let user_id = Asker::of(request)?.user_of_query(request)?;
    let unknown = || Problem::not_found("there is no such render of this user");
    let id = ask::render_id(id).ok_or_else(unknown)?;
    let render = router.read(&user_id, &id).await?.ok_or_else(unknown)?;
    shown(StatusCode::OK, &render, router).await
}

pub(super) async fn list(request: &Incoming, router: &Router) -> Result<Reply, Problem> {
    let user_id = Asker::of(request)?.user_of_query(request)?;
    let (before, most) = (ask::cursor(request)?, ask::page(request)?);
    let page = router.list(&user_id, before.as_ref(), most).await?;
    let view = PageView {
        renders: RenderView::all(&page.renders, router).await?,
        next_cursor: page.next.as_ref().map(ask::cursor_of),
    };
    Reply::json(StatusCode::OK, &view)
}

async fn shown(status: StatusCode, render: &Render, router: &Router) -> Result<Reply, Problem> {
    let view = RenderView::of(render, router).await?;
    let again = ask_again_in(render, router.clock.now());
    let retry_after = again.map(|seconds| ("retry-after", seconds.to_string()));
    Ok(Reply::json(status, &view)?.with(retry_after))
}
