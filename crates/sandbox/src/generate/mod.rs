//! `generateContent`, online, on both products.

mod answer;
mod draft;
mod order;
mod wire;

use std::{sync::Arc, time::Duration};

use axum::{
    body::to_bytes,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::HeaderMap;
use serde_json::json;
use tryon_core::{catalogue::Size, lane::Lane};

pub(crate) use self::{
    answer::{Outcome, answer},
    draft::{BASE64, Draft, MAX_INLINE},
    order::{Order, nearest, shape},
    wire::GenerateRequest,
};
use crate::{
    Charge, Latency, Provider,
    app::{Answers, App},
    auth::Product,
    faults::{Call, CallKind},
    lots,
    models::nanos,
    rpc::{ApiError, ok},
    web,
};

const MAX_BODY: usize = 100_000_000;

/// `POST /v1beta/models/M:generateContent`
pub(crate) async fn developer(app: State<Arc<App>>, model: &str, request: Request) -> Response {
    online(&app, Product::Developer, model, request, Ok(())).await
}

/// `GET /v1beta/models/M`: whether a model is there. No call of the fault script's: it buys nothing.
pub(crate) async fn describe(
    State(app): State<Arc<App>>,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let api_key = app.config.api_key.as_deref();
    let allowed = app.tokens.check(&headers, Product::Developer, api_key, app.now());
    match allowed.and_then(|()| app.model(&id)) {
        Ok(model) => {
            let methods = ["generateContent", "batchGenerateContent"];
            let name = format!("models/{}", model.id);
            ok(&json!({"name": name, "supportedGenerationMethods": methods}))
        }
        Err(error) => error.into_response(),
    }
}

/// `POST /v1/projects/P/locations/L/publishers/google/models/M:generateContent`
pub(crate) async fn vertex(
    State(app): State<Arc<App>>,
    Path((project, location, call)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    let Some((model, "generateContent")) = call.split_once(':') else {
        return ApiError::not_found(request.uri().path()).into_response();
    };
    let place = if project != app.config.project {
        Err(ApiError::new(403, "The account has no permission in this project."))
    } else if location != "global" {
        Err(ApiError::not_found(&format!("models/{model} in {location}")))
    } else {
        Ok(())
    };
    online(&app, Product::Vertex, model, request, place).await
}

async fn online(
    app: &App,
    product: Product,
    model: &str,
    request: Request,
    place: Result<(), ApiError>,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return ApiError::invalid("The request is broken, or longer than 100 MB.").into_response();
    };
    let about = lots::hash(&[&body]);
    let draft = Draft::read(&body, product, &app.shelf);
    drop(body);
    let key = key(&draft, web::text(&parts.headers, "x-request-id"), &about);
    let call = Call {
        key: Some(&key),
        prompt: draft.as_ref().ok().map(Draft::prompt),
        model: Some(model),
        ..Call::new(CallKind::Online, &about)
    };
    app.run(&call, async |fault| {
        let api_key = app.config.api_key.as_deref();
        app.tokens.check(&parts.headers, product, api_key, app.now())?;
        place?;
        let model = app.model(model)?;
        let order = draft.as_ref().map_err(Clone::clone)?.order(model, product, about)?;
        let outcome = Outcome::of(&order, fault.as_ref(), app.config.seed);
        // Booked before the answer is under way: whoever stops listening pays all the same.
        let charge = app.charge(Charge {
            provider: Provider::Google,
            attempt: key.clone(),
            key: key.clone(),
            model: model.id.clone(),
            lane: Lane::Online,
            nanos: nanos(&order.price, Lane::Online, outcome.tokens),
            answered: false,
            at: app.now(),
        });
        app.clock.sleep(latency(app, order.size, &order.about)).await;
        let mut response = ok(&answer(app, &model.id, &key, &order, &outcome));
        response.extensions_mut().insert(Answers::Charge(charge));
        Ok::<_, ApiError>(response)
    })
    .await
}

/// What the caller calls this request: its label on Vertex, or its `x-request-id`, or else its hash.
fn key(draft: &Result<Draft, ApiError>, header: Option<&str>, about: &[u8]) -> String {
    let label = draft.as_ref().ok().and_then(Draft::label);
    label.or(header).map_or_else(|| lots::name(0, "key", about, 16), str::to_owned)
}

/// How long an online call takes for a picture of this size.
pub(crate) fn latency(app: &App, size: Size, about: &[u8]) -> Duration {
    let (least, spread) = match size {
        Size::OneK | Size::TwoK => (15.0, 45.0),
        Size::FourK => (60.0, 120.0),
    };
    // Squared: most answers come near the lower end.
    let documented = least + spread * lots::unit(app.config.seed, "latency", about).powi(2);
    match app.config.latency {
        Latency::Documented => Duration::from_secs_f64(documented),
        Latency::Scaled(by) => Duration::try_from_secs_f64(documented * by).unwrap_or_default(),
        Latency::Fixed(duration) => duration,
        Latency::None => Duration::ZERO,
    }
}
