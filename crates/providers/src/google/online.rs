//! `generateContent`: one render, now.

use std::sync::Arc;

use async_trait::async_trait;
use tryon_core::{
    catalogue::Entry,
    messages::RenderOrder,
    outcome::FailClass,
    ports::{Answer, CallError, Objects, OnlineProvider},
};

use super::{
    Connection, DEVELOPER_URL, Host, ImageForm, VERTEX_URL, answer::Response, connection::Access,
    paying::pay, pictures, request,
};
use crate::{errors::rejected, url::encode};

/// Generates one render with one call.
#[derive(Debug)]
pub struct GeminiOnline {
    connection: Connection,
    objects: Arc<dyn Objects>,
    host: Host,
    form: ImageForm,
}

impl GeminiOnline {
    pub fn new(connection: Connection, objects: Arc<dyn Objects>, host: Host) -> Self {
        Self { connection, objects, host, form: ImageForm::default() }
    }

    /// Tells Vertex in this form which picture is wished for.
    #[must_use]
    pub fn with_image_form(self, form: ImageForm) -> Self {
        Self { form, ..self }
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
                let project = encode(self.connection.project(token));
                format!(
                    "{base}/v1/projects/{project}/locations/global/publishers/google/models/\
                     {model}:generateContent"
                )
            }
            _ => format!("{base}/v1beta/models/{model}:generateContent"),
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
        let form = match self.host {
            Host::Vertex => self.form,
            Host::Developer(_) => ImageForm::ImageConfig,
        };
        let request = request::online(order, entry, form).map_err(|_| {
            rejected(FailClass::Invalid, "the request could not be written as JSON")
        })?;
        let base = self.base().await;
        let url = |access: &Access| self.url(&base, &entry.model, access);
        let call = (order, entry);
        let body = pay(&self.connection, &self.objects, access, call, &request, &url).await?;
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
