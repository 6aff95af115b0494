//! `:predict` on Vertex: one render, now, by a model of the Imagen family.

mod answer;
mod request;

#[cfg(feature = "fuzzing")]
pub(super) use self::answer::parse;

use std::{fmt, str::FromStr, sync::Arc};

use async_trait::async_trait;
use tryon_core::{
    catalogue::Entry,
    messages::RenderOrder,
    ports::{Answer, CallError, Objects, OnlineProvider},
};

use super::{Auth, Connection, VERTEX_URL, connection::Access, paying::pay, pictures};
use crate::url::encode;

/// Where a model runs: a region, `global`, or one of the multi-regions `us` and `eu`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region(String);

/// A text that names no region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give a region such as us-central1, or global, us or eu")]
pub struct UnknownRegion;

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || !text.bytes().all(plain) {
            return Err(UnknownRegion);
        }
        Ok(Self(text.to_owned()))
    }
}

impl Default for Region {
    fn default() -> Self {
        Self("us-central1".to_owned())
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Region {
    fn host(&self) -> String {
        match self.0.as_str() {
            "global" => VERTEX_URL.to_owned(),
            "us" | "eu" => format!("https://aiplatform.{self}.rep.googleapis.com"),
            _ => format!("https://{self}-aiplatform.googleapis.com"),
        }
    }
}

/// Generates one render with one call.
#[derive(Debug)]
pub struct VertexPredict {
    connection: Connection,
    objects: Arc<dyn Objects>,
    region: Region,
}

impl VertexPredict {
    pub fn new(connection: Connection, objects: Arc<dyn Objects>, region: Region) -> Self {
        Self { connection, objects, region }
    }

    fn url(&self, base: &str, model: &str, access: &Access) -> String {
        let project = match access {
            Access::Token(token) => encode(self.connection.project(token)),
            Access::Open | Access::Key(_) => String::new(),
        };
        let (region, model) = (&self.region, encode(model));
        format!(
            "{base}/v1/projects/{project}/locations/{region}/publishers/google/models/\
             {model}:predict"
        )
    }
}

#[async_trait]
impl OnlineProvider for VertexPredict {
    async fn prepare(&self) -> Result<(), CallError> {
        self.connection.access(Auth::Bearer).await.map(drop)
    }

    async fn generate(&self, order: &RenderOrder, entry: &Entry) -> Result<Answer, CallError> {
        let request = request::body(order, entry)?;
        pictures::check(self.objects.as_ref(), order.request.pictures()).await?;
        let access = self.connection.access(Auth::Bearer).await?;
        let base = self.connection.base(&self.region.host()).await;
        let url = |access: &Access| self.url(&base, &entry.model, access);
        let call = (order, entry);
        let body = pay(&self.connection, &self.objects, access, call, &request, &url).await?;
        answer::parse(&body)
            .ok_or_else(|| CallError::Unknown("the answer is not in Google's form".to_owned()))
    }
}

#[cfg(test)]
mod tests;
