//! Replicate, as its callers meet it.

mod about;
mod bill;
mod create;
mod faults;
mod life;
mod list;
mod pictures;
mod wire;

use std::{collections::HashMap, io::Cursor, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request};
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};
use tryon_core::ports::{Body, TransportError};
use tryon_sandbox::{Bucket, Rule, SandboxConfig};

use crate::support::{Answer, Bench, PATIENCE, config};

const API: &str = "https://api.replicate.com";
const NANO_BANANA: &str = "google/nano-banana-pro";
const PHOTOMAKER: &str = "ddfc2b08d209f9fa8c1eca692712918bd449f695dabb4a958da31802a9570fe4";
const SDXL: &str = "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc";
const UPSCALE: &str = "f121d640bd286e1fdc67f9799164c1d5be36ff74576ee11c803ae5b665dd46aa";

/// A caller of Replicate.
struct Desk {
    bench: Bench,
}

impl Desk {
    fn new(config: SandboxConfig) -> Self {
        Self { bench: Bench::without_token(config) }
    }

    fn with_rules(config: SandboxConfig, rules: Vec<Rule>) -> Self {
        let desk = Self::new(config);
        for rule in rules {
            desk.bench.sandbox.faults().push(rule);
        }
        desk
    }

    async fn try_call(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Answer, TransportError> {
        let token = format!("Bearer {}", self.bench.sandbox.replicate_token());
        let mut request = Request::builder().method(method).uri(url);
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.bench.send(request.body(Body::from(body)).unwrap(), PATIENCE).await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let url = format!("{API}{path}");
        self.try_call(Method::POST, &url, headers, body.to_string()).await.unwrap()
    }

    async fn create_with(&self, headers: &[(&str, &str)], version: &str, input: Value) -> Answer {
        let body = json!({"version": version, "input": input});
        self.post("/v1/predictions", headers, &body).await
    }

    async fn create(&self, version: &str, input: Value) -> Answer {
        self.create_with(&[], version, input).await
    }

    /// The id of a prediction just made.
    async fn made(&self, version: &str, input: Value) -> String {
        let answer = self.create(version, input).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    async fn try_get(&self, url: &str) -> Result<Answer, TransportError> {
        self.try_call(Method::GET, url, &[], String::new()).await
    }

    async fn get(&self, id: &str) -> Value {
        let answer = self.try_get(&format!("{API}/v1/predictions/{id}")).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()
    }

    async fn status(&self, id: &str) -> String {
        self.get(id).await["status"].as_str().unwrap().to_owned()
    }

    async fn cancel(&self, id: &str) -> Answer {
        self.post(&format!("/v1/predictions/{id}/cancel"), &[], &Value::Null).await
    }

    async fn pass(&self, seconds: u64) {
        self.bench.pass(seconds).await;
    }
}

/// Pictures by address, whatever its query.
#[derive(Debug)]
struct Album(HashMap<&'static str, Bytes>);

#[async_trait]
impl Bucket for Album {
    async fn read(&self, url: &str) -> Option<Bytes> {
        let address = url.split('?').next()?;
        self.0.get(address).cloned()
    }
}

fn album(pictures: &[(&'static str, Vec<u8>)]) -> Arc<Album> {
    let pictures = pictures.iter().map(|(url, bytes)| (*url, bytes.clone().into()));
    Arc::new(Album(pictures.collect()))
}

fn plain(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    let mut png = Cursor::new(Vec::new());
    let image = RgbImage::from_pixel(width, height, Rgb(colour));
    image.write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

fn dress(attempt: &str) -> Value {
    json!({
        "prompt": "dress her",
        "image_input": [
            "https://shop.example/person.jpg?x-signature=1",
            format!("https://shop.example/garment.jpg?x-attempt={attempt}&x-signature=2"),
        ],
        "aspect_ratio": "3:4",
        "resolution": "1K",
        "output_format": "jpg",
    })
}

fn face(prompt: &str) -> Value {
    json!({"input_image": "https://shop.example/person.jpg", "prompt": prompt})
}
