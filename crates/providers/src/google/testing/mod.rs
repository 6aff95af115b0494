//! Doubles for the tests of this crate: a transport that plays a script, and ports in memory.

mod script;

use std::{collections::BTreeMap, io, sync::Mutex, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::Instant;
use tryon_core::{
    catalogue::{Catalogue, Entry, Quality},
    chain::Step,
    ids::RenderId,
    messages::RenderOrder,
    picture::{Mime, PictureRef},
    ports::{
        ByteStream, Clock, ObjectInfo, Objects, PortError, Secret, SecretName, Secrets,
        SettingsSource,
    },
    request::{AspectRatio, Garment, Person, RenderRequest},
    settings::Settings,
};

pub(super) use self::script::{Play, Script, Sent};

pub(super) const KEY_ID: &str = "key-1";
/// `\xff\xd8\xff\xe0result`
pub(super) const JPEG_BASE64: &str = "/9j/4HJlc3VsdA==";

pub(super) fn now() -> DateTime<Utc> {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(super) fn key_json() -> Value {
    json!({
        "type": "service_account",
        "project_id": "sample",
        "private_key_id": KEY_ID,
        "private_key": include_str!("../testdata/test-only.key.pem"),
        "client_email": "shop@sample.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    })
}

/// A good answer: a draft, a remark, the picture.
pub(super) fn answer_json() -> Value {
    json!({
        "candidates": [{
            "index": 0,
            "finishReason": "STOP",
            "content": {"role": "model", "parts": [
                {"thought": true, "inlineData": {"mimeType": "image/jpeg", "data": "ZHJhZnQ="}},
                {"text": "Here it is."},
                {"inlineData": {"mimeType": "image/jpeg", "data": JPEG_BASE64},
                 "thoughtSignature": "c2ln"},
            ]},
        }],
        "usageMetadata": {"promptTokenCount": 2_440, "candidatesTokenCount": 1_120,
            "thoughtsTokenCount": 180, "totalTokenCount": 3_740,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 200},
                                    {"modality": "IMAGE", "tokenCount": 2_240}]},
        "modelVersion": "gemini-nano-banana-2.1",
        "responseId": "abc",
    })
}

pub(super) fn picture(key: &str, bytes: u64) -> PictureRef {
    PictureRef { key: key.to_owned(), bytes, mime: Mime::Jpeg }
}

/// A person, a shirt and shoes, whose pictures [`inputs`] has.
pub(super) fn order(id: &str) -> RenderOrder {
    let garment = |category: &str, key: &str, bytes, description: &str| Garment {
        photo: picture(key, bytes),
        category: category.to_owned(),
        description: description.to_owned(),
    };
    RenderOrder {
        render_id: RenderId::from(id),
        step: Step::Gemini,
        n: 1,
        entry: "nano-banana-1k-minimal".into(),
        request: RenderRequest {
            person: Person { photo: picture("in/p", 6), class_noun: "person".to_owned() },
            garments: vec![
                garment("shirt", "in/a", 5, "blue linen"),
                garment("shoes", "in/b", 4, ""),
            ],
            quality: Quality::Sd,
            aspect_ratio: AspectRatio::ThreeFour,
            prompt: "Smile".to_owned(),
            deadline_seconds: None,
            give_up_seconds: None,
            lane: None,
            accept_described: true,
        },
        wait_until: now(),
        buy_before: now(),
    }
}

pub(super) fn inputs() -> FakeObjects {
    FakeObjects::default()
        .with("in/p", b"person")
        .with("in/a", b"shirt")
        .with("in/b", b"shoe")
        .in_pieces_of(2)
}

pub(super) fn entry() -> Entry {
    let catalogue = Catalogue::built_in().unwrap();
    let mut entry = catalogue.get(&"nano-banana-1k-minimal".into()).unwrap().clone();
    entry.prompt = "Dress in {garments}. {wish}".to_owned();
    entry
}

/// The bytes in pieces of `size`; with `cut`, half of them and then an error.
pub(super) fn pieces(bytes: &[u8], size: usize, cut: bool) -> ByteStream {
    let end = if cut { bytes.len() / 2 } else { bytes.len() };
    let good: Vec<_> =
        bytes[..end].chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let error = cut.then(|| Err(io::Error::from(io::ErrorKind::ConnectionReset)));
    stream::iter(good.into_iter().chain(error)).boxed()
}

#[derive(Debug)]
pub(super) struct FakeClock(Instant);

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> DateTime<Utc> {
        now() + TimeDelta::from_std(self.0.elapsed()).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the double's own timer")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[derive(Debug)]
pub(super) struct FakeObjects {
    objects: BTreeMap<String, Vec<u8>>,
    piece: usize,
    /// This one breaks off half-way.
    broken: Option<&'static str>,
}

impl Default for FakeObjects {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), piece: usize::MAX, broken: None }
    }
}

impl FakeObjects {
    pub(super) fn with(mut self, key: &str, bytes: &[u8]) -> Self {
        self.objects.insert(key.to_owned(), bytes.to_vec());
        self
    }

    pub(super) fn without(mut self, key: &str) -> Self {
        self.objects.remove(key);
        self
    }

    pub(super) fn in_pieces_of(mut self, piece: usize) -> Self {
        self.piece = piece;
        self
    }

    pub(super) fn breaking(mut self, key: &'static str) -> Self {
        self.broken = Some(key);
        self
    }
}

#[async_trait]
impl Objects for FakeObjects {
    async fn put(&self, _key: &str, _bytes: Bytes, _mime: Mime) -> Result<(), PortError> {
        Err(PortError::Broken("read only".to_owned()))
    }

    async fn get(&self, key: &str) -> Result<Option<ByteStream>, PortError> {
        let bytes = self.objects.get(key);
        Ok(bytes.map(|bytes| pieces(bytes, self.piece, self.broken == Some(key))))
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, PortError> {
        if key == "throttled" {
            return Err(PortError::Unavailable("throttled".to_owned()));
        }
        let info = |bytes: &Vec<u8>| ObjectInfo { bytes: bytes.len() as u64, mime: None };
        Ok(self.objects.get(key).map(info))
    }

    async fn list(&self, _prefix: &str) -> Result<Vec<(String, u64)>, PortError> {
        Ok(Vec::new())
    }
}

/// Secrets: what the cache holds, and what a fresh read finds.
#[derive(Debug)]
pub(super) struct FakeSecrets {
    pub(super) key: Mutex<(String, String)>,
    pub(super) api_key: Mutex<(String, String)>,
}

impl Default for FakeSecrets {
    fn default() -> Self {
        let key = key_json().to_string();
        Self {
            key: Mutex::new((key.clone(), key)),
            api_key: Mutex::new(("old-key".to_owned(), "new-key".to_owned())),
        }
    }
}

#[async_trait]
impl Secrets for FakeSecrets {
    async fn secret(&self, name: SecretName, fresh: bool) -> Result<Secret, PortError> {
        let pair = match name {
            SecretName::ServiceAccount => &self.key,
            SecretName::ApiKey => &self.api_key,
            SecretName::ReplicateToken => return Err(PortError::Broken("none".to_owned())),
        };
        let (cached, stored) = pair.lock().unwrap().clone();
        Ok(Secret::new(if fresh { stored } else { cached }))
    }
}

#[derive(Debug, Default)]
pub(super) struct FakeSettings {
    pub(super) api_endpoint: String,
}

#[async_trait]
impl SettingsSource for FakeSettings {
    async fn settings(&self) -> Settings {
        Settings { api_endpoint: self.api_endpoint.clone(), ..Settings::default() }
    }
}
