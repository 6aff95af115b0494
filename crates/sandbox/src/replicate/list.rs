use std::sync::Arc;

use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use http::{HeaderMap, Uri};
use serde_json::json;

use super::{calls::open, prediction::Prediction, problem::Problem, view::View};
use crate::{
    app::App,
    faults::{Call, CallKind},
    rpc::ok,
    web,
};

const PAGE: usize = 100;

/// `GET /v1/predictions?created_after=&created_before=&source=&cursor=`: the newest first.
pub(crate) async fn list(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap) -> Response {
    let query = uri.query().unwrap_or_default();
    let call = Call::new(CallKind::PredictionList, query.as_bytes());
    let answer = app.run(&call, async |fault| {
        open(&app, &headers)?;
        let base = web::base(&uri, &headers);
        let view = View { app: &app, now: app.now(), base: &base };
        let cursor = web::query(&uri, "cursor").map(|cursor| cursor.parse::<usize>());
        let cursor = cursor.transpose().map_err(|_| Problem::unreadable("Invalid cursor."))?;
        let (after, before) = (time(&uri, "created_after")?, time(&uri, "created_before")?);
        // All of them come by the API.
        let by_api = web::query(&uri, "source").is_none_or(|source| source != "web");
        let listed = view.now - app.list_lag(fault.as_ref());
        let fits = |prediction: &Prediction| {
            by_api
                && prediction.created <= listed
                && before.is_none_or(|before| prediction.created < before)
        };
        let show = |prediction: &Prediction| view.object(prediction);
        let (results, next) = app.predictions.page(cursor, after, PAGE, fits, show);
        let next = next.map(|cursor| {
            let filters = query.split('&').filter(|pair| pair.starts_with("created_"));
            let filters: String = filters.flat_map(|pair| ["&", pair]).collect();
            // Without the s of https, as it has been seen.
            let base = base.replacen("https://", "http://", 1);
            format!("{base}/v1/predictions?cursor={cursor}{filters}")
        });
        Ok::<_, Problem>(ok(&json!({"next": next, "previous": null, "results": results})))
    });
    let mut response = answer.await;
    app.predictions.others.tell(&mut response, app.now());
    response
}

fn time(uri: &Uri, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(text) = web::query(uri, name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let time = DateTime::parse_from_rfc3339(&text);
    let time =
        time.map_err(|_| Problem::unreadable(&format!("{name} is not an ISO 8601 time.")))?;
    Ok(Some(time.with_timezone(&Utc)))
}
