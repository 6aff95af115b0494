//! Who the account is, and which models there are.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::HeaderMap;
use serde_json::{Value, json};

use super::{ReplicateModel, calls::open, problem::Problem};
use crate::{
    app::App,
    faults::{Call, CallKind},
    rpc::ok,
};

/// `GET /v1/account`
pub(crate) async fn account(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    tell(&app, &headers, "account", |_| {
        Some(json!({"type": "organization", "username": "sandbox", "name": "Sandbox"}))
    })
    .await
}

/// `GET /v1/models/OWNER/NAME`
pub(crate) async fn model(
    State(app): State<Arc<App>>,
    Path((owner, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let model = format!("{owner}/{name}");
    tell(&app, &headers, &model, |models| {
        let found = models.iter().find(|known| known.model == model)?;
        Some(json!({
            "url": format!("https://replicate.com/{model}"),
            "owner": owner,
            "name": name,
            "description": null,
            "visibility": "public",
            "is_official": found.official,
            "run_count": 0,
            "latest_version": found.versions.first().map(|version| json!({"id": version})),
        }))
    })
    .await
}

/// `GET /v1/models/OWNER/NAME/versions/ID`
pub(crate) async fn version(
    State(app): State<Arc<App>>,
    Path((owner, name, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let model = format!("{owner}/{name}");
    tell(&app, &headers, &model, |models| {
        let found = models.iter().find(|known| known.model == model)?;
        let version = found.versions.iter().find(|known| **known == id)?;
        Some(json!({
            "id": version,
            "created_at": "2024-05-23T18:08:31.469Z",
            "cog_version": "0.9.6",
            "openapi_schema": null,
        }))
    })
    .await
}

async fn tell(
    app: &App,
    headers: &HeaderMap,
    about: &str,
    find: impl FnOnce(&[ReplicateModel]) -> Option<Value>,
) -> Response {
    let call = Call { key: Some(about), ..Call::new(CallKind::PredictionModel, about.as_bytes()) };
    let mut response = app
        .run(&call, async |_| {
            open(app, headers)?;
            find(&app.config.predictions).map(|found| ok(&found)).ok_or_else(Problem::not_found)
        })
        .await;
    app.predictions.others.tell(&mut response, app.now());
    response
}
