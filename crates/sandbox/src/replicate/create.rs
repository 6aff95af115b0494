//! Creating a prediction.

use std::{sync::Arc, time::Duration};

use axum::{
    body::to_bytes,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::{
    check,
    delivery::picture,
    headers,
    order::Order,
    prediction::Phase,
    problem::Problem,
    request::{self, Asked},
    sheet::Sheet,
    view::View,
    work,
};
use crate::{
    app::{Answers, App},
    faults::{Call, CallKind},
    lots, web,
};

const MAX_BODY: usize = 20_000_000;

/// `POST /v1/predictions`
pub(crate) async fn create(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, None, request).await
}

/// `POST /v1/models/OWNER/NAME/predictions`: official models alone.
pub(crate) async fn create_official(
    State(app): State<Arc<App>>,
    Path((owner, name)): Path<(String, String)>,
    request: Request,
) -> Response {
    answer(&app, Some(&format!("{owner}/{name}")), request).await
}

async fn answer(app: &App, official: Option<&str>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return Problem::unreadable("The body is broken or too long.").into_response();
    };
    let about = lots::hash(&[&body]);
    let body: Result<Value, _> = serde_json::from_slice(&body);
    let body = body.map_err(|_| Problem::unreadable("The body is not JSON."));
    let input = body.as_ref().ok().and_then(|body| body.get("input"));
    let attempt = input.and_then(request::attempt);
    let call = Call {
        key: attempt.as_deref(),
        prompt: input.and_then(|input| input["prompt"].as_str()),
        ..Call::new(CallKind::PredictionCreate, &about)
    };
    let base = web::base(&parts.uri, &parts.headers);
    let mut response = app
        .run(&call, async |_| {
            headers::authorized(app, &parts.headers)?;
            let store = &app.predictions;
            let taken = store.creates.take(app.now());
            taken.map_err(|seconds| Problem::throttled(store.low_credit, seconds))?;
            let body = body.as_ref().map_err(Clone::clone)?;
            let order = order(app, official, body, attempt.clone(), &parts.headers)?;
            let (id, number) = order.place(app).await;
            let mut response = first_answer(app, &id, &base, &parts.headers).await?;
            response.extensions_mut().insert(Answers::Prediction(number));
            Ok::<_, Problem>(response)
        })
        .await;
    app.predictions.creates.tell(&mut response, app.now());
    response
}

/// What is asked for, where it may be had.
fn order<'a>(
    app: &'a App,
    official: Option<&str>,
    body: &Value,
    attempt: Option<String>,
    headers: &HeaderMap,
) -> Result<Order<'a>, Problem> {
    let models = &app.config.predictions;
    let asked = Asked::read(body, official.is_none())?;
    let (model, version) = match official {
        Some(name) => {
            let model = models.iter().find(|model| model.official && model.model == name);
            (model.ok_or_else(Problem::not_found)?, "hidden".to_owned())
        }
        None => request::resolve(models, asked.version.unwrap_or_default())?,
    };
    let sheet = Sheet::of(&model.model).ok_or_else(Problem::not_found)?;
    let wrong = check::check(sheet.fields, asked.input);
    if !wrong.is_empty() {
        return Err(Problem::invalid(&wrong));
    }
    // What the model does not know never reaches it.
    let known = |name: &str| sheet.fields.iter().any(|field| field.name == name);
    let fields = asked.input.iter().filter(|(name, _)| known(name));
    let input: Map<_, _> = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
    let price = model.price(work::size(sheet, &input)).ok_or_else(Problem::not_found)?;
    let cancel_after = headers::cancel_after(headers)?;
    Ok(Order { model, sheet, version, price, input, attempt, cancel_after })
}

/// At once, or held open until the pictures are there.
async fn first_answer(
    app: &App,
    id: &str,
    base: &str,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let store = &app.predictions;
    let Some(seconds) = headers::wait(headers) else {
        let view = View { app, now: app.now(), base };
        return store.with(id, |prediction| {
            let object = view.object_in(prediction, Phase::Starting);
            view.reply(StatusCode::CREATED, prediction, &object)
        });
    };
    let longest = Duration::from_secs(seconds);
    let left = store.with(id, |prediction| prediction.left(app.now()))?;
    app.clock.sleep(left.unwrap_or(longest).min(longest)).await;
    let view = View { app, now: app.now(), base };
    // The pictures are drawn without holding the predictions.
    let draws: Vec<_> = store.with(id, |prediction| {
        (0..prediction.pictures(view.now)).map(|place| picture(prediction, place)).collect()
    })?;
    let pictures = draws.into_iter().map(|draw| {
        let (mime, bytes): (_, Bytes) = draw(app);
        format!("data:{mime};base64,{}", BASE64_STANDARD.encode(bytes))
    });
    let pictures: Vec<String> = pictures.collect();
    let mut response = store.with(id, |prediction| {
        let object = if pictures.is_empty() {
            view.object(prediction)
        } else {
            view.with_pictures(prediction, pictures)
        };
        view.reply(StatusCode::CREATED, prediction, &object)
    })?;
    if let Ok(applied) = HeaderValue::try_from(format!("wait={seconds}")) {
        response.headers_mut().insert("preference-applied", applied);
    }
    Ok(response)
}
