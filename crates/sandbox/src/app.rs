//! The application: its state, its paths, and the way every call takes through the fault script.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream;
use http::header::CONTENT_LENGTH;
use tryon_core::{catalogue::Predict, ports::Clock};

use crate::{
    Bill, Charge, FaultScript, Pictures, Provider, SandboxConfig, auth,
    auth::Tokens,
    batch::{self, Files, Jobs},
    draw::Artist,
    faults::{Call, CallKind, Fault, Strike},
    generate,
    models::Model,
    predict,
    replicate::{self, Bucket, Predictions, Problem},
    rpc::ApiError,
    shelf::{Shelf, lock},
};

pub(crate) struct App {
    pub(crate) config: SandboxConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) faults: FaultScript,
    pub(crate) tokens: Tokens,
    pub(crate) shelf: Shelf,
    pub(crate) artist: Artist,
    pub(crate) files: Files,
    pub(crate) jobs: Jobs,
    pub(crate) predictions: Predictions,
    bucket: Mutex<Option<Arc<dyn Bucket>>>,
    /// Online charges, in the order of the calls.
    charges: Mutex<Vec<Charge>>,
}

/// How a connection ends that brings no answer. Rides on the response to the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Refused,
    Lost,
}

/// Rides on a response: what the caller knows of with it, by its place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answers {
    /// An online charge.
    Charge(usize),
    Prediction(usize),
}

impl App {
    pub(crate) fn new(config: SandboxConfig, clock: Arc<dyn Clock>) -> Self {
        Self {
            faults: FaultScript::new(config.seed, clock.now(), &config.faults),
            tokens: Tokens::default(),
            shelf: Shelf::new(config.pictures == Pictures::Drawn),
            artist: Artist::new(config.pictures, config.cache_bytes),
            files: Files::default(),
            jobs: Jobs::default(),
            predictions: Predictions::new(config.low_credit),
            bucket: Mutex::default(),
            charges: Mutex::default(),
            config,
            clock,
        }
    }

    pub(crate) fn router(self: Arc<Self>) -> Router {
        const VERTEX: &str =
            "/v1/projects/{project}/locations/{location}/publishers/google/models/{call}";
        Router::new()
            .route("/token", post(auth::token))
            .route("/{version}/models/{call}", get(generate::describe).post(developer))
            .route(VERTEX, post(vertex))
            .route("/upload/v1beta/files", post(batch::upload))
            .route("/v1beta/batches", get(batch::list))
            .route(
                "/v1beta/batches/{call}",
                get(batch::get).post(batch::cancel).delete(batch::delete),
            )
            .route("/download/v1beta/files/{call}", get(batch::download))
            .route("/v1/predictions", get(replicate::list).post(replicate::create))
            .route("/v1/predictions/{id}", get(replicate::get))
            .route("/v1/predictions/{id}/cancel", post(replicate::cancel))
            .route("/v1/account", get(replicate::account))
            .route("/v1/models/{owner}/{name}", get(replicate::model))
            .route("/v1/models/{owner}/{name}/versions/{id}", get(replicate::version))
            .route("/v1/models/{owner}/{name}/predictions", post(replicate::create_official))
            .route("/pbxt/{address}/{file}", get(replicate::deliver))
            .route("/xezq/{address}/{file}", get(replicate::deliver))
            .fallback(async |request: Request| ApiError::not_found(request.uri().path()))
            .with_state(self)
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn bucket(&self) -> Option<Arc<dyn Bucket>> {
        lock(&self.bucket).clone()
    }

    pub(crate) fn set_bucket(&self, bucket: Arc<dyn Bucket>) {
        *lock(&self.bucket) = Some(bucket);
    }

    /// The living model of this id that `generateContent` knows.
    pub(crate) fn model(&self, id: &str) -> Result<&Model, ApiError> {
        self.living(id).filter(|model| model.predict.is_none()).ok_or_else(|| gone(id))
    }

    /// The living model of this id that `:predict` knows, and how it is asked.
    pub(crate) fn predict_model(&self, id: &str) -> Result<(&Model, Predict), ApiError> {
        self.living(id).and_then(|model| Some((model, model.predict?))).ok_or_else(|| gone(id))
    }

    fn living(&self, id: &str) -> Option<&Model> {
        let alive = |model: &&Model| model.id == id && model.is_alive(self.now());
        self.config.models.iter().find(alive)
    }

    /// How young a thing may be and not be listed yet.
    pub(crate) fn list_lag(&self, fault: Option<&Fault>) -> TimeDelta {
        let scripted = fault.map_or(0, Fault::lag).try_into().unwrap_or(i64::MAX);
        let scripted = TimeDelta::try_seconds(scripted).unwrap_or_default();
        TimeDelta::from_std(self.config.list_lag).unwrap_or_default().max(scripted)
    }

    /// Counts the call, lets the fault script strike it, and does `work` where it may be done.
    pub(crate) async fn run<E: IntoResponse>(
        &self,
        call: &Call<'_>,
        work: impl AsyncFnOnce(Option<Fault>) -> Result<Response, E>,
    ) -> Response {
        let Strike { delay, fault } = self.faults.strike(call, self.now());
        let (response, lost) = match fault {
            Some(Fault::RefuseConnection) => return broken(Broken::Refused),
            Some(Fault::Status { code, retry_after_seconds }) => {
                (refusal(call.kind, code, retry_after_seconds), false)
            }
            Some(Fault::Refuse { code, reason }) => {
                let error = ApiError::new(code, "This is refused.");
                (error.because(&reason, "googleapis.com").into_response(), false)
            }
            fault => {
                let lost = fault == Some(Fault::LoseAnswer);
                let other_words = fault.clone().filter(Fault::rewrites);
                let response = work(fault).await.unwrap_or_else(IntoResponse::into_response);
                match other_words {
                    Some(words) => (rewritten(&words, response).await, lost),
                    None => (response, lost),
                }
            }
        };
        if !delay.is_zero() {
            self.clock.sleep(delay).await;
        }
        if lost {
            return broken(Broken::Lost);
        }
        match response.extensions().get() {
            Some(Answers::Charge(place)) => {
                if let Some(charge) = lock(&self.charges).get_mut(*place) {
                    charge.answered = true;
                }
            }
            Some(Answers::Prediction(number)) => self.predictions.know(*number),
            None => {}
        }
        response
    }

    /// Books an online charge and returns its place.
    pub(crate) fn charge(&self, charge: Charge) -> usize {
        let mut charges = lock(&self.charges);
        charges.push(charge);
        charges.len() - 1
    }

    pub(crate) fn bill(&self) -> Bill {
        let mut charges = lock(&self.charges).clone();
        charges.extend(self.jobs.charges(self.config.seed, self.now()));
        charges.extend(self.predictions.charges(self.now()));
        charges.sort_by_key(|charge| charge.at);
        Bill { charges }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

fn gone(model: &str) -> ApiError {
    ApiError::not_found(&format!("models/{model}"))
}

/// On Vertex one path serves both wires.
async fn vertex(
    state: axum::extract::State<Arc<App>>,
    path: axum::extract::Path<(String, String, String)>,
    request: Request,
) -> Response {
    if path.2.ends_with(":predict") {
        return predict::predict(state, path, request).await;
    }
    generate::vertex(state, path, request).await
}

/// On the Developer API one path serves both lanes.
async fn developer(
    state: axum::extract::State<Arc<App>>,
    path: axum::extract::Path<(String, String)>,
    request: Request,
) -> Response {
    let axum::extract::Path((version, call)) = path;
    match (version.as_str(), call.split_once(':')) {
        ("v1" | "v1beta", Some((model, "generateContent"))) => {
            generate::developer(state, model, request).await
        }
        ("v1beta", Some((model, "batchGenerateContent"))) => {
            batch::create(state, model, request).await
        }
        _ => ApiError::not_found(request.uri().path()).into_response(),
    }
}

fn refusal(kind: CallKind, code: u16, retry_after: Option<u64>) -> Response {
    match kind.provider() {
        Provider::Google if kind == CallKind::Token => return auth::unavailable(code),
        Provider::Google => {}
        Provider::Replicate if kind == CallKind::Delivery => return replicate::unavailable(code),
        Provider::Replicate => return Problem::scripted(code, retry_after).into_response(),
    }
    let error = ApiError::new(code, "The service cannot answer this now.");
    match retry_after {
        Some(seconds) => error.retry_after(seconds).into_response(),
        None => error.into_response(),
    }
}

/// An answer as the fault has it.
async fn rewritten(fault: &Fault, response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let Ok(json) = serde_json::from_slice(&body) else {
        return Response::from_parts(head, Body::from(body));
    };
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(fault.rewritten(json).to_string()))
}

/// A response that is none: its body breaks at once, so that a server closes the connection before
/// it has sent a byte.
fn broken(how: Broken) -> Response {
    let error = std::io::Error::from(std::io::ErrorKind::ConnectionAborted);
    let body = stream::iter([Err::<bytes::Bytes, _>(error)]);
    let mut response = Response::new(Body::from_stream(body));
    response.extensions_mut().insert(how);
    response
}
