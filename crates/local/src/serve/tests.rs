mod gateway;
mod keeper;
mod pictures;
mod token;

use std::{
    cell::RefCell,
    io,
    sync::{Mutex, Once},
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use chrono::{DateTime, TimeZone, Utc};
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;
use tryon_core::{memory::SeededRandom, stages::Invocation};
use tryon_lambda::{Handler, HandlerError};

use super::*;

/// A function that notes its events and always answers the same.
#[derive(Debug)]
struct Probe {
    clock: Arc<dyn Clock>,
    takes: Duration,
    answer: Result<Value, HandlerError>,
    events: Mutex<Vec<Value>>,
}

#[async_trait]
impl Handler for Probe {
    async fn call(&self, event: Value, _: Invocation) -> Result<Value, HandlerError> {
        self.events.lock().unwrap().push(event);
        self.clock.sleep(self.takes).await;
        self.answer.clone()
    }
}

/// The front before a probe, and the world whose pictures it serves.
struct Bench {
    probe: Arc<Probe>,
    world: World,
    app: Router,
}

/// An answer as a client reads it.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 23, 12, 0, 0).unwrap()
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(TokioClock::starting_at(start()))
}

impl Bench {
    fn new(answer: Result<Value, HandlerError>) -> Self {
        Self::with(answer, Duration::ZERO, |_| None, &[])
    }

    fn with(
        answer: Result<Value, HandlerError>,
        takes: Duration,
        tokens: impl FnOnce(Arc<dyn Clock>) -> Option<Tokens>,
        origins: &[&str],
    ) -> Self {
        Logs::install();
        let clock = clock();
        let pictures_url = "http://127.0.0.1:8080/pictures".to_owned();
        let config = WorldConfig { pictures_url, ..WorldConfig::default() };
        let world = World::new(config, clock.clone()).unwrap();
        let probe =
            Arc::new(Probe { clock: clock.clone(), takes, answer, events: Mutex::default() });
        let gateway = Gateway {
            function: probe.clone(),
            tokens: tokens(clock.clone()).map(Arc::new),
            random: Arc::new(SeededRandom::new(1)),
            clock,
        };
        let origins: Vec<String> = origins.iter().map(|&origin| origin.to_owned()).collect();
        let app = super::gateway::app(gateway, Pictures::of(&world), &origins).unwrap();
        Self { probe, world, app }
    }

    async fn ask(&self, request: http::request::Builder, body: impl Into<Body>) -> Reply {
        let request: Request<Body> = request.body(body.into()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    fn events(&self) -> Vec<Value> {
        self.probe.events.lock().unwrap().clone()
    }
}

thread_local! {
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What is logged on this thread, which is the test's own.
struct Logs;

impl Logs {
    /// One subscriber for all tests, before any of them can log what is watched: a place that logs for
    /// the first time while a subscriber is being set may stay silent for good.
    fn install() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let subscriber = tracing_subscriber::fmt()
                .with_ansi(false)
                .with_env_filter(LOGS)
                .with_writer(|| Logs)
                .finish();
            tracing::subscriber::set_global_default(subscriber).unwrap();
        });
    }

    fn watch() {
        Self::install();
        LOGGED.take();
    }

    fn text() -> String {
        String::from_utf8(LOGGED.with_borrow(Vec::clone)).unwrap()
    }
}

impl io::Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Reply {
    /// Status and name of a problem document, which says nothing else of where it comes from.
    fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let document: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(document["status"], self.status.as_u16());
        let name = document["type"].as_str().unwrap().strip_prefix("urn:tryon:problem:");
        (self.status.as_u16(), name.unwrap().to_owned())
    }
}
