//! Asking after a prediction, and cancelling it.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;

use super::{headers::authorized, prediction::Prediction, problem::Problem, view::View};
use crate::{
    app::{Answers, App},
    faults::{Call, CallKind, Fault},
    web,
};

/// `GET /v1/predictions/ID`
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    about(&app, CallKind::PredictionGet, &id, async |fault| {
        open(&app, &headers)?;
        show(&app, &uri, &headers, &id, |view, prediction| {
            let mut object = view.object(prediction);
            if let Some(Fault::OddStatus { status }) = fault {
                object["status"] = status.into();
            }
            object
        })
    })
    .await
}

/// `POST /v1/predictions/ID/cancel`: at once; one that has ended stays as it is.
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    about(&app, CallKind::PredictionCancel, &id, async |_| {
        open(&app, &headers)?;
        show(&app, &uri, &headers, &id, |view, prediction| {
            if prediction.is_ended(view.now) {
                return view.object(prediction);
            }
            prediction.cancelled = Some(view.now);
            let mut object = view.object(prediction);
            object["logs"] = Value::Null;
            object["webhook_completed"] = Value::Null;
            object
        })
    })
    .await
}

/// A call about one prediction, which the fault script may know by its attempt and by its id.
async fn about(
    app: &App,
    kind: CallKind,
    id: &str,
    work: impl AsyncFnOnce(Option<Fault>) -> Result<Response, Problem>,
) -> Response {
    let names = names(app, id);
    let call = Call { key: Some(&names), ..Call::new(kind, id.as_bytes()) };
    let mut response = app.run(&call, work).await;
    app.predictions.others.tell(&mut response, app.now());
    response
}

/// The attempt and the id, so that a rule may hold a part of either.
pub(super) fn names(app: &App, id: &str) -> String {
    let attempt = app.predictions.with(id, |prediction| prediction.attempt.clone()).ok().flatten();
    attempt.map_or_else(|| id.to_owned(), |attempt| format!("{attempt} {id}"))
}

/// Whether a call that creates nothing may be made.
pub(super) fn open(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    authorized(app, headers)?;
    let taken = app.predictions.others.take(app.now());
    taken.map_err(|seconds| Problem::throttled(false, seconds))
}

fn show(
    app: &App,
    uri: &Uri,
    headers: &HeaderMap,
    id: &str,
    f: impl FnOnce(&View<'_>, &mut Prediction) -> Value,
) -> Result<Response, Problem> {
    let base = web::base(uri, headers);
    let view = View { app, now: app.now(), base: &base };
    app.predictions.with(id, |prediction| {
        let object = f(&view, prediction);
        let mut response = view.reply(StatusCode::OK, prediction, &object);
        if prediction.is_ended(view.now) {
            response.extensions_mut().insert(Answers::Prediction(prediction.number));
        }
        response
    })
}
