//! An application that behaves like Google's image APIs and like Replicate, in process or on a port:
//! OAuth tokens, `generateContent` and `:predict` online, batch jobs over files, predictions and
//! their pictures, with true usage, a bill, and a fault script.
//!
//! It keeps no clock and no randomness of its own: what it does follows from its [`Clock`], its seed
//! and the bytes it is sent, so that the same run gives the same answers whatever comes first.
//!
//! What is billed: an answer with a picture in full; a refused or empty one for its input and
//! thinking; a blocked prompt for its input; one of `:predict` by its picture alone; an answer that
//! was lost on its way like any other. Calls answered with an error status, rows with an error, and jobs that end without results
//! (failed, expired, cancelled) cost nothing. A prediction is billed at its end: by the picture that
//! came out, or by the time that its model ran, however it ended.

mod app;
mod auth;
mod batch;
mod bill;
mod config;
mod draw;
mod faults;
mod generate;
mod lots;
mod models;
mod predict;
mod replicate;
mod rpc;
mod serve;
mod shelf;
mod transport;
mod web;

use std::{collections::BTreeMap, fmt, sync::Arc};

use tryon_core::ports::{Clock, HttpTransport};

pub use self::{
    auth::{API_KEY_HEADER, SCOPE},
    bill::{Bill, Charge, Provider},
    config::{JobTime, Latency, Pictures, SandboxConfig},
    faults::{CallKind, Fault, FaultScript, Faults, Nth, Rule, When},
    models::{Model, ModelSize},
    replicate::{Bucket, ReplicateModel},
    serve::Server,
};
use crate::{app::App, transport::InProcess};

/// The sandbox. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Sandbox {
    app: Arc<App>,
}

impl Sandbox {
    /// Time runs on `clock`, and the windows of the fault script count from now.
    pub fn new(config: SandboxConfig, clock: Arc<dyn Clock>) -> Self {
        Self { app: Arc::new(App::new(config, clock)) }
    }

    /// The way in without a network: every host of the providers leads to this sandbox.
    pub fn transport(&self) -> Arc<dyn HttpTransport> {
        Arc::new(InProcess::new(self.app.clone()))
    }

    /// A service account's key file for this sandbox, with Google's own `token_uri`.
    pub fn service_account_json(&self) -> String {
        self.service_account_json_at(auth::TOKEN_URI)
    }

    /// The same with another `token_uri`, such as `http://127.0.0.1:8080/token`.
    pub fn service_account_json_at(&self, token_uri: &str) -> String {
        auth::key_file(&self.app.config.project, token_uri, 1)
    }

    /// The file of the account's `number`-th key; [`Self::service_account_json`] gives the first.
    pub fn service_account_key(&self, number: u32) -> String {
        auth::key_file(&self.app.config.project, auth::TOKEN_URI, number)
    }

    /// The API key that the Developer API takes here, where it takes one.
    pub fn api_key(&self) -> Option<&str> {
        self.app.config.api_key.as_deref()
    }

    /// What Replicate takes as an API token here.
    pub fn replicate_token(&self) -> &str {
        &self.app.config.replicate_token
    }

    /// Where predictions find the pictures that their inputs point at; without it nowhere.
    pub fn set_bucket(&self, bucket: Arc<dyn Bucket>) {
        self.app.set_bucket(bucket);
    }

    /// Everything the providers would charge for, up to now.
    pub fn bill(&self) -> Bill {
        self.app.bill()
    }

    /// The fault script, to which rules may be added at any time.
    pub fn faults(&self) -> &FaultScript {
        &self.app.faults
    }

    /// How many calls of each kind have come in, those struck by a fault included.
    pub fn calls(&self) -> BTreeMap<CallKind, u64> {
        self.app.faults.calls()
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("calls", &self.calls()).finish_non_exhaustive()
    }
}
