//! `batchGenerateContent` on the Developer API: a JSONL file in, a JSONL file out.

#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod job;
mod lines;
mod results;
mod upload;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{
    Method, Request, StatusCode,
    header::{CONTENT_RANGE, CONTENT_TYPE, RANGE},
};
use serde_json::json;
use tryon_core::{
    catalogue::Entry,
    ids::{AttemptId, JobName, RenderId},
    messages::RenderOrder,
    outcome::FailClass,
    ports::{
        BatchProvider, Body, ByteStream, CallError, JobPhase, Objects, ResultStream, Uploaded,
    },
};

use self::{
    job::{Jobs, Operation},
    results::Reopen,
};
use super::{Auth, Connection, DEVELOPER_URL, connection::Access};
use crate::{
    errors::{Purpose, rejected},
    read::whole,
    url::{encode, is_resource},
};

/// For a call's answer, and for each further piece of a download.
const TIMEOUT: Duration = Duration::from_mins(1);
/// How long a download that broke off waits before it goes on, at first; it doubles.
const PAUSE: Duration = Duration::from_secs(1);
/// The largest answer about a job that is read, in bytes.
const MOST: usize = 16 << 20;
/// How far a job is looked for: this many pages, newest first, of this many jobs.
const PAGES: usize = 20;
const PAGE_SIZE: usize = 100;

/// Runs batch jobs.
#[derive(Debug)]
pub struct GeminiBatch {
    connection: Connection,
    objects: Arc<dyn Objects>,
    auth: Auth,
}

impl GeminiBatch {
    pub fn new(connection: Connection, objects: Arc<dyn Objects>, auth: Auth) -> Self {
        Self { connection, objects, auth }
    }

    async fn base(&self) -> String {
        self.connection.base(DEVELOPER_URL).await
    }

    /// A call with a small body and a small answer.
    async fn ask(
        &self,
        purpose: Purpose,
        method: Method,
        url: &str,
        body: Option<Bytes>,
    ) -> Result<Bytes, CallError> {
        let make = |_: &Access| {
            let request = Request::builder().method(method.clone()).uri(url);
            match body.clone() {
                Some(body) => {
                    request.header(CONTENT_TYPE, "application/json").body(Body::from(body))
                }
                None => request.body(Body::empty()),
            }
        };
        let access = self.connection.access(self.auth).await?;
        let response = self.connection.call(access, purpose, TIMEOUT, &make).await?;
        let body = whole(response.into_body(), MOST).await;
        body.map_err(|error| purpose.lost(error.to_string()))
    }

    async fn job_url(&self, job: &JobName) -> Result<String, CallError> {
        if !is_resource(job.as_str(), "batches") {
            return Err(rejected(FailClass::Invalid, "this is no name of a job"));
        }
        Ok(format!("{}/v1beta/{job}", self.base().await))
    }
}

#[async_trait]
impl BatchProvider for GeminiBatch {
    async fn upload(
        &self,
        name: &AttemptId,
        rows: &[(&RenderOrder, &Entry)],
    ) -> Result<Uploaded, CallError> {
        upload::upload(self, name, rows).await
    }

    async fn create(
        &self,
        name: &AttemptId,
        model: &str,
        file: &str,
    ) -> Result<JobName, CallError> {
        let url =
            format!("{}/v1beta/models/{}:batchGenerateContent", self.base().await, encode(model));
        let batch = json!({"displayName": name.as_str(), "inputConfig": {"fileName": file}});
        let body = json!({"batch": batch}).to_string().into();
        let answer = self.ask(Purpose::Purchase, Method::POST, &url, Some(body)).await?;
        let job = Operation::parse(&answer).and_then(|operation| operation.job());
        job.ok_or_else(|| Purpose::Purchase.lost("the answer to a create names no job"))
    }

    async fn find(&self, name: &AttemptId) -> Result<Option<JobName>, CallError> {
        let list = format!("{}/v1beta/batches?pageSize={PAGE_SIZE}", self.base().await);
        let mut url = list.clone();
        let mut oldest = None;
        for _ in 0..PAGES {
            let answer = self.ask(Purpose::Free, Method::GET, &url, None).await?;
            let jobs = Jobs::parse(&answer)
                .ok_or_else(|| Purpose::Free.lost("the list of jobs cannot be read"))?;
            oldest = jobs.oldest_named(name.as_str(), oldest);
            let Some(token) = jobs.next_page() else { break };
            url = format!("{list}&pageToken={}", encode(token));
        }
        Ok(oldest.map(|found| found.job))
    }

    async fn status(&self, job: &JobName) -> Result<JobPhase, CallError> {
        let url = self.job_url(job).await?;
        let answer = self.ask(Purpose::Free, Method::GET, &url, None).await?;
        let operation = Operation::parse(&answer)
            .ok_or_else(|| Purpose::Free.lost("the answer about a job cannot be read"))?;
        Ok(operation.phase())
    }

    async fn cancel(&self, job: &JobName) -> Result<(), CallError> {
        let url = format!("{}:cancel", self.job_url(job).await?);
        let body = Some(Bytes::from_static(b"{}"));
        self.ask(Purpose::Free, Method::POST, &url, body).await.map(drop)
    }

    async fn results(
        &self,
        file: &str,
        image_tokens: BTreeMap<RenderId, u32>,
    ) -> Result<ResultStream, CallError> {
        if !is_resource(file, "files") {
            return Err(rejected(FailClass::Invalid, "this is no name of a file"));
        }
        let url = format!("{}/download/v1beta/{file}:download?alt=media", self.base().await);
        let download = Download { connection: self.connection.clone(), auth: self.auth, url };
        let (source, _) = download.reopen(0).await?;
        Ok(results::rows(source, download, image_tokens).boxed())
    }
}

/// A result file that can be opened more than once.
struct Download {
    connection: Connection,
    auth: Auth,
    url: String,
}

#[async_trait]
impl Reopen for Download {
    async fn reopen(&self, from: u64) -> Result<(ByteStream, u64), CallError> {
        let make = |_: &Access| {
            let request = Request::get(&self.url);
            let rest = format!("bytes={from}-");
            if from == 0 { request } else { request.header(RANGE, rest) }.body(Body::empty())
        };
        let access = self.connection.access(self.auth).await?;
        let response = self.connection.call(access, Purpose::Free, TIMEOUT, &make).await?;
        // A server that knows no ranges sends the whole.
        let partial = response.status() == StatusCode::PARTIAL_CONTENT;
        let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let from = match (partial, range.and_then(first_byte)) {
            (false, _) => 0,
            (true, Some(first)) => first,
            (true, None) => return Err(Purpose::Free.lost("a slice does not say where it begins")),
        };
        Ok((response.into_body(), from))
    }

    async fn pause(&self, n: u32) {
        self.connection.clock.sleep(PAUSE * 2_u32.saturating_pow(n - 1)).await;
    }
}

/// `bytes 1000-1999/5000`
fn first_byte(range: &str) -> Option<u64> {
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests;
