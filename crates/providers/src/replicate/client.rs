//! The calls, each with its time limit and with what its loss means.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http::{Method, Request, header::CONTENT_TYPE};
use tryon_core::{
    catalogue::PredictionModel,
    ids::{AttemptId, JobName},
    messages::RenderOrder,
    outcome::FailClass,
    picture::Picture,
    ports::{
        Body, CallError, Clock, HttpTransport, Links, Prediction, PredictionPhase, Predictions,
        Secrets,
    },
};

use super::{
    REPLICATE_URL,
    addresses::Addresses,
    api::{Answer, Api},
    delivery::Delivery,
    input,
    record::{Page, Record},
};
use crate::{
    errors::{Purpose, rejected},
    url::{encode, is_id},
};

/// Of a create, too: whoever loses one still has time to look for it.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The shortest time that the API takes for a prediction.
const LEAST_TIME: Duration = Duration::from_secs(5);
/// How long past its time a prediction may still read its pictures: the half hour that the provider
/// lets one run, and as much again.
const READABLE: TimeDelta = TimeDelta::hours(1);
/// How long after the time from which on it is looked for a prediction may have been created.
const WINDOW: TimeDelta = TimeDelta::minutes(30);
/// How far a prediction is looked for: this many pages of 100, newest first.
const PAGES: usize = 50;

/// Runs predictions on Replicate.
#[derive(Debug)]
pub struct ReplicateClient {
    api: Api,
    links: Arc<dyn Links>,
    delivery: Delivery,
}

impl ReplicateClient {
    pub fn new(
        transport: Arc<dyn HttpTransport>,
        secrets: Arc<dyn Secrets>,
        links: Arc<dyn Links>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let api = Api { transport, secrets, clock };
        Self { api, links, delivery: Delivery::default() }
    }

    /// Takes pictures from this host and those below it, too: a host as it stands in an address, with
    /// its port where it has one.
    #[must_use]
    pub fn with_delivery_host(mut self, host: &str) -> Self {
        self.delivery.allow(host);
        self
    }

    /// Looks through the list, page by page.
    async fn search(
        &self,
        attempt: &AttemptId,
        since: DateTime<Utc>,
    ) -> Result<Option<JobName>, CallError> {
        let list = format!("{REPLICATE_URL}/predictions");
        // Without an end an hour's predictions would be read to reach the one that was lost.
        let time = |at: DateTime<Utc>| encode(&at.to_rfc3339_opts(SecondsFormat::Millis, true));
        let (after, before) = (time(since), time(since + WINDOW));
        let mut url = format!("{list}?created_after={after}&created_before={before}");
        let mut oldest = None;
        for _ in 0..PAGES {
            let answer = self.ask(Method::GET, &url).await?;
            let page = Page::parse(&answer.body)
                .ok_or_else(|| Purpose::Free.lost("the list of predictions cannot be read"))?;
            oldest = page.oldest_for(attempt, since, oldest);
            match page.next(&list).filter(|_| !page.reaches(since)) {
                Some(next) => url = next,
                None => break,
            }
        }
        Ok(oldest.map(|found| found.job))
    }

    /// A call without a body that buys nothing.
    async fn ask(&self, method: Method, url: &str) -> Result<Answer, CallError> {
        let make = || Request::builder().method(method.clone()).uri(url).body(Body::empty());
        self.api.call(Purpose::Free, TIMEOUT, &make).await
    }
}

fn url_of(job: &JobName) -> Result<String, CallError> {
    if !is_id(job.as_str()) {
        return Err(rejected(FailClass::Invalid, "this is no id of a prediction"));
    }
    Ok(format!("{REPLICATE_URL}/predictions/{job}"))
}

#[async_trait]
impl Predictions for ReplicateClient {
    async fn create(
        &self,
        attempt: &AttemptId,
        order: &RenderOrder,
        model: &PredictionModel,
        time: Duration,
    ) -> Result<JobName, CallError> {
        let time = u32::try_from(time.max(LEAST_TIME).as_secs()).unwrap_or(u32::MAX);
        let lasts = TimeDelta::seconds(time.into()) + READABLE;
        let links = self.links.as_ref();
        let addresses = Addresses { links, attempt, expires: self.api.clock.now() + lasts };
        let create = input::create(order, model, &addresses).await?;
        let body = serde_json::to_vec(&create).map_err(|_| {
            rejected(FailClass::Invalid, "the request could not be written as JSON")
        })?;
        let body = Bytes::from(body);
        let make = || {
            Request::post(format!("{REPLICATE_URL}/predictions"))
                .header(CONTENT_TYPE, "application/json")
                .header("cancel-after", format!("{time}s"))
                .body(Body::from(body.clone()))
        };
        let answer = self.api.call(Purpose::Purchase, TIMEOUT, &make).await?;
        let job = Record::parse(&answer.body).and_then(|record| record.job());
        job.ok_or_else(|| Purpose::Purchase.lost("the answer to a create names no prediction"))
    }

    async fn find(
        &self,
        attempt: &AttemptId,
        since: DateTime<Utc>,
    ) -> Result<Option<JobName>, CallError> {
        self.api.within(Purpose::Free, TIMEOUT, self.search(attempt, since)).await
    }

    async fn status(&self, job: &JobName) -> Result<Prediction, CallError> {
        let answer = self.ask(Method::GET, &url_of(job)?).await?;
        let lost = || Purpose::Free.lost("the answer about a prediction cannot be read");
        let record = Record::parse(&answer.body).ok_or_else(lost)?;
        let prediction = record.prediction(self.api.clock.now()).ok_or_else(lost)?;
        if let PredictionPhase::Refused | PredictionPhase::Failed(_) = prediction.phase {
            let (phase, code) = (&prediction.phase, record.code());
            tracing::warn!(%job, ?phase, code, "a prediction failed");
        }
        Ok(Prediction { allowance: answer.allowance, ..prediction })
    }

    async fn cancel(&self, job: &JobName) -> Result<(), CallError> {
        let url = format!("{}/cancel", url_of(job)?);
        self.ask(Method::POST, &url).await.map(drop)
    }

    async fn picture(&self, address: &str) -> Result<Picture, CallError> {
        self.delivery.fetch(&self.api, address).await
    }
}
