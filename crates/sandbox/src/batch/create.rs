use std::sync::Arc;

use axum::{
    body::to_bytes,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    app::App,
    auth::Product,
    faults::{Call, CallKind},
    rpc::{ApiError, ok},
};

/// What a create takes inline, in bytes.
const MAX_INLINE: usize = 20_000_000;

#[derive(Deserialize)]
struct CreateRequest {
    batch: NewBatch,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewBatch {
    #[serde(alias = "display_name")]
    display_name: String,
    #[serde(alias = "input_config")]
    input_config: InputConfig,
    #[serde(default, rename = "model")]
    _model: Option<String>,
    #[serde(default, rename = "priority")]
    _priority: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InputConfig {
    #[serde(alias = "file_name")]
    file_name: Option<String>,
    #[serde(default)]
    requests: Option<Value>,
}

/// `POST /v1beta/models/M:batchGenerateContent`
pub(crate) async fn create(State(app): State<Arc<App>>, model: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_INLINE).await else {
        return ApiError::invalid("The request is broken, or longer than 20 MB.").into_response();
    };
    let batch = serde_json::from_slice::<CreateRequest>(&body)
        .map(|request| request.batch)
        .map_err(|error| ApiError::json(&error));
    let name = batch.as_ref().map(|batch| batch.display_name.clone()).unwrap_or_default();
    let call = Call {
        display_name: Some(&name),
        model: Some(model),
        ..Call::new(CallKind::Create, name.as_bytes())
    };
    app.run(&call, async |fault| {
        let api_key = app.config.api_key.as_deref();
        app.tokens.check(&parts.headers, Product::Developer, api_key, app.now())?;
        let model = app.model(model)?;
        let input = batch?.input_config;
        if input.requests.is_some() {
            return Err(ApiError::invalid("Inline requests are not taken here: use a file."));
        }
        let file = input.file_name.unwrap_or_default();
        let file = app.files.file(&file).ok_or_else(|| ApiError::not_found(&file))?;
        if file.rows.is_empty() {
            return Err(ApiError::invalid("The file has no requests."));
        }
        Ok(ok(&app.jobs.create(&app, model, &name, &file, fault.as_ref())?))
    })
    .await
}
