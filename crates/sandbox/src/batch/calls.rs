use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Uri};
use serde_json::{Map, Value, json};

use super::jobs::Listing;
use crate::{
    app::App,
    auth::Product,
    faults::{Call, CallKind, Fault},
    rpc::{ApiError, ok},
    web,
};

const PAGE: usize = 10;
const MAX_PAGE: usize = 100;

/// `GET /v1beta/batches?pageSize=&pageToken=`: the newest first, without results.
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    let token = web::query(&uri, "pageToken").filter(|token| !token.is_empty());
    let size = web::query(&uri, "pageSize").and_then(|size| size.parse().ok());
    let about = token.clone().unwrap_or_default();
    app.run(&Call::new(CallKind::List, about.as_bytes()), async |fault| {
        authorized(&app, &headers)?;
        let before = token.map(|token| token.parse::<usize>()).transpose();
        let before = before.map_err(|_| ApiError::invalid("Invalid page token."))?;
        let size = size.filter(|size| *size > 0).unwrap_or(PAGE).min(MAX_PAGE);
        let listing = Listing {
            until: app.now() - app.list_lag(fault.as_ref()),
            look_alikes: match fault {
                Some(Fault::LookAlikes { jobs }) => jobs,
                _ => 0,
            },
        };
        let (operations, next) = app.jobs.page(before, size, app.now(), &listing);
        let mut body = Map::new();
        if !operations.is_empty() {
            body.insert("operations".to_owned(), operations.into());
        }
        if let Some(next) = next {
            body.insert("nextPageToken".to_owned(), next.to_string().into());
        }
        Ok::<_, ApiError>(ok(&Value::Object(body)))
    })
    .await
}

/// `GET /v1beta/batches/ID`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    about(&app, CallKind::Get, &id, async || {
        authorized(&app, &headers)?;
        let now = app.now();
        app.jobs.with(&id, |job| Ok(ok(&job.operation(now, true))))
    })
    .await
}

/// `POST /v1beta/batches/ID:cancel`: best effort.
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    Path(call): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let Some((id, "cancel")) = call.split_once(':') else {
        return ApiError::not_found(uri.path()).into_response();
    };
    about(&app, CallKind::Cancel, id, async || {
        authorized(&app, &headers)?;
        let now = app.now();
        app.jobs.with(id, |job| {
            job.cancelled.get_or_insert(now);
            Ok(ok(&json!({})))
        })
    })
    .await
}

/// `DELETE /v1beta/batches/ID`: the job is no longer shown, and goes on.
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    about(&app, CallKind::Delete, &id, async || {
        authorized(&app, &headers)?;
        app.jobs.with(&id, |job| {
            job.deleted = true;
            Ok(ok(&json!({})))
        })
    })
    .await
}

/// A call about one job, which the fault script may know by its display name.
async fn about(
    app: &App,
    kind: CallKind,
    id: &str,
    work: impl AsyncFnOnce() -> Result<Response, ApiError>,
) -> Response {
    let name = app.jobs.with(id, |job| Ok(job.display_name.clone())).ok();
    let call = Call { display_name: name.as_deref(), ..Call::new(kind, id.as_bytes()) };
    app.run(&call, async |_| work().await).await
}

pub(super) fn authorized(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    app.tokens.check(headers, Product::Developer, app.config.api_key.as_deref(), app.now())
}
