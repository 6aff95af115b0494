//! `generateContent`: one render, now.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, header::CONTENT_TYPE};
use tryon_core::{
    catalogue::Entry,
    ids::AttemptId,
    messages::RenderOrder,
    outcome::FailClass,
    ports::{Answer, CallError, Objects, OnlineProvider},
};

use super::{
    Connection, DEVELOPER_URL, Host, VERTEX_URL, answer::Response, body::Broke, connection::Access,
    pictures, request,
};
use crate::{
    errors::{Purpose, not_created, rejected},
    read::whole,
    url::encode,
};

/// The largest answer that is read, in bytes; a 4K picture takes about 10 MB in base64.
const MOST: usize = 64 << 20;

/// Generates one render with one call.
#[derive(Debug)]
pub struct GeminiOnline {
    connection: Connection,
    objects: Arc<dyn Objects>,
    host: Host,
}

impl GeminiOnline {
    pub fn new(connection: Connection, objects: Arc<dyn Objects>, host: Host) -> Self {
        Self { connection, objects, host }
    }

    async fn base(&self) -> String {
        let host = match self.host {
            Host::Vertex => VERTEX_URL,
            Host::Developer(_) => DEVELOPER_URL,
        };
        self.connection.base(host).await
    }

    fn url(&self, base: &str, model: &str, access: &Access) -> String {
        let model = encode(model);
        match (self.host, access) {
            (Host::Vertex, Access::Token(token)) => {
                let project = encode(token.project());
                format!(
                    "{base}/v1/projects/{project}/locations/global/publishers/google/models/\
                     {model}:generateContent"
                )
            }
            _ => format!("{base}/v1beta/models/{model}:generateContent"),
        }
    }

    /// Sends the request and reads its answer; all of it within the entry's time.
    async fn exchange(
        &self,
        access: Access,
        order: &RenderOrder,
        entry: &Entry,
    ) -> Result<Bytes, CallError> {
        let segments = request::online(order, entry).map_err(|_| {
            rejected(FailClass::Invalid, "the request could not be written as JSON")
        })?;
        let base = self.base().await;
        let broke = Broke::default();
        // For whoever reads both sides' logs; it makes the call no more repeatable than it is.
        let attempt = AttemptId::of(&order.render_id.as_batch(), order.step, order.n);
        let make = |access: &Access| {
            broke.reset();
            let body = segments.clone().into_body(self.objects.clone(), &broke);
            Request::post(self.url(&base, &entry.model, access))
                .header(CONTENT_TYPE, "application/json")
                .header("x-request-id", attempt.as_str())
                .body(body)
        };
        let timeout = Duration::from_secs(entry.call_timeout_seconds.into());
        let call = async {
            let response = self.connection.call(access, Purpose::Purchase, timeout, &make).await?;
            let body = whole(response.into_body(), MOST).await;
            body.map_err(|error| CallError::Unknown(error.to_string()))
        };
        let result = match select(Box::pin(call), self.connection.clock.sleep(timeout)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(CallError::Unknown("no whole answer in time".to_owned())),
        };
        match result {
            // Without its end the request was none, and nobody can have carried it out.
            Err(CallError::Unknown(_)) if broke.happened() => {
                Err(not_created("an input picture broke off while it was sent", None))
            }
            result => result,
        }
    }
}

#[async_trait]
impl OnlineProvider for GeminiOnline {
    async fn prepare(&self) -> Result<(), CallError> {
        self.connection.access(self.host.auth()).await.map(drop)
    }

    async fn generate(&self, order: &RenderOrder, entry: &Entry) -> Result<Answer, CallError> {
        pictures::check(self.objects.as_ref(), order.request.pictures()).await?;
        let access = self.connection.access(self.host.auth()).await?;
        let body = self.exchange(access, order, entry).await?;
        // What came may be from a stranger on the way.
        let response = Response::parse(&body)
            .map_err(|_| CallError::Unknown("the answer is not in Google's form".to_owned()))?;
        tracing::debug!(
            render = %order.render_id,
            response = response.id,
            model = response.model_version,
            reason = response.reason(),
            "answered"
        );
        Ok(response.answer(Some(entry.price.image_tokens)))
    }
}

#[cfg(test)]
mod tests;
