//! Input pictures: fetched from where their addresses lead, or carried in them.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;

use crate::{
    app::App,
    shelf::{self, Input},
};

/// Where the addresses of input pictures lead.
#[async_trait]
pub trait Bucket: Send + Sync + fmt::Debug {
    /// What lies at `url`, if it may be read there.
    async fn read(&self, url: &str) -> Option<Bytes>;
}

/// The picture at `address`, or the error of the model that wanted it.
pub(super) async fn read(app: &App, address: &str) -> Result<Arc<Input>, String> {
    let bytes = if let Some(data) = address.strip_prefix("data:") {
        let data = data.split_once(";base64,").map_or("", |(_, data)| data);
        let decoded = BASE64_STANDARD.decode(data).map(Bytes::from);
        decoded.map_err(|_| "Incorrect padding".to_owned())?
    } else if address.starts_with("https://") || address.starts_with("http://") {
        let fetched = match app.bucket() {
            Some(bucket) => bucket.read(address).await,
            None => None,
        };
        fetched.ok_or_else(|| format!("404 Client Error: Not Found for url: {address}"))?
    } else {
        return Err(format!("No connection adapters were found for '{address}'"));
    };
    if !shelf::is_picture(&bytes) {
        let error = "cannot identify image file <_io.BytesIO object at 0x7f1c5a8e4d60>";
        return Err(error.to_owned());
    }
    Ok(app.shelf.put(bytes))
}
