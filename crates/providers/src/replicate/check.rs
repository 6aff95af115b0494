//! A look at whether Replicate can be used with what we have. It creates nothing and buys nothing: the
//! account and the models are asked after.

use std::{sync::Arc, time::Duration};

use http::Request;
use serde_json::Value;
use tryon_core::{
    catalogue::PredictionModel,
    outcome::FailClass,
    ports::{Body, CallError, Clock, HttpTransport, Secrets},
};

use super::{REPLICATE_URL, api::Api};
use crate::{
    errors::Purpose,
    findings::{Finding, State, missing, refused},
    url::{encode, is_id},
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// What is looked at, and as whom.
#[derive(Debug)]
pub struct SelfCheck {
    api: Api,
}

impl SelfCheck {
    pub fn new(
        transport: Arc<dyn HttpTransport>,
        secrets: Arc<dyn Secrets>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { api: Api { transport, secrets, clock } }
    }

    /// Whether the token is taken, and whose it is.
    pub async fn credentials(&self) -> Finding {
        let state = match self.ask("account").await {
            Ok(account) => {
                let name = account.get("username").and_then(Value::as_str);
                let name = name.filter(|name| is_id(name) && name.len() <= 40);
                State::Good(name.map_or_else(|| "accepted".to_owned(), |name| format!("of {name}")))
            }
            Err(error) => refused(error),
        };
        Finding { what: "API token".to_owned(), state }
    }

    /// Everything: the token, the credit as far as it can be seen, and each of `models`.
    pub async fn run(&self, models: impl Iterator<Item = &PredictionModel>) -> Vec<Finding> {
        let token = self.credentials().await;
        let ready = token.state.trouble().is_none();
        let credit = "the API does not tell; with less than $5 it takes 6 creates a minute, and with \
                      none it answers 402";
        let credit = State::Skipped(credit.to_owned());
        let mut findings = vec![token, Finding { what: "credit".to_owned(), state: credit }];
        for model in models {
            let state = if ready {
                self.model(model).await
            } else {
                State::Skipped("wants the token first".to_owned())
            };
            findings.push(Finding { what: format!("model {}", model.model), state });
        }
        findings
    }

    async fn model(&self, model: &PredictionModel) -> State {
        let Some((owner, name)) = model.model.split_once('/') else {
            return missing("the catalogue names no owner/name");
        };
        let path = format!("models/{}/{}", encode(owner), encode(name));
        let Some(version) = &model.version else {
            return match self.ask(&path).await {
                Ok(found) if found.get("is_official") == Some(&Value::Bool(false)) => {
                    missing("it is no official model: give its version in the catalogue")
                }
                Ok(_) => State::Good("there, kept current by Replicate".to_owned()),
                Err(error) => not_there(error, "model"),
            };
        };
        match self.ask(&format!("{path}/versions/{}", encode(version))).await {
            Ok(_) => State::Good("its version is there".to_owned()),
            Err(error) => not_there(error, "version"),
        }
    }

    async fn ask(&self, path: &str) -> Result<Value, CallError> {
        let make = || Request::get(format!("{REPLICATE_URL}/{path}")).body(Body::empty());
        let answer = self.api.call(Purpose::Free, TIMEOUT, &make).await?;
        // That it was answered is enough.
        Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
    }
}

fn not_there(error: CallError, what: &str) -> State {
    match error {
        CallError::Rejected { class: FailClass::Missing, .. } => missing(format!(
            "there is no such {what}, or none for this account: check the catalogue"
        )),
        error => refused(error),
    }
}
