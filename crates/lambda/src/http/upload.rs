//! `POST /v1/uploads`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tryon_core::{
    picture::Mime,
    stages::{NewUpload, Router},
};

use super::{ask, caller::Asker, incoming::Incoming, problem::Problem, reply::Reply};

#[derive(Debug, Deserialize)]
struct UploadRequest {
    content_type: Mime,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct UploadView<'a> {
    key: &'a str,
    url: &'a str,
    method: &'static str,
    /// To be sent as they stand.
    headers: BTreeMap<&'static str, &'a str>,
    expires_at: DateTime<Utc>,
}

pub(super) async fn create(request: &Incoming, router: &Router) -> Result<Reply, Problem> {
    let asker = Asker::of(request)?;
    let (wish, named) = ask::body::<UploadRequest>(request)?;
    let (_, user_id) = asker.user(named)?;
    let new = NewUpload { user_id, mime: wish.content_type, bytes: wish.bytes };
    let now = router.clock.now();
    let upload = router.upload(new).await.map_err(|error| Problem::refused(error, now))?;
    let view = UploadView {
        key: &upload.key,
        url: &upload.link.url,
        method: "PUT",
        headers: upload.link.headers.iter().map(|(name, value)| (*name, value.as_str())).collect(),
        expires_at: upload.expires_at,
    };
    Reply::json(StatusCode::CREATED, &view)
}
