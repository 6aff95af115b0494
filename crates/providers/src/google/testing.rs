//! Doubles for the tests of Google's backends: ports in memory, and a good answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use tryon_core::{
    catalogue::{Catalogue, Entry},
    picture::Mime,
    ports::{ByteStream, Objects, Peek, PortError, Secret, SecretName, Secrets, SettingsSource},
    settings::Settings,
};

use super::Connection;
use crate::testing::{FakeClock, Script, pieces};

pub(super) const KEY_ID: &str = "key-1";
/// `\xff\xd8\xff\xe0result`
pub(super) const JPEG_BASE64: &str = "/9j/4HJlc3VsdA==";

pub(super) fn key_json() -> Value {
    json!({
        "type": "service_account",
        "project_id": "sample",
        "private_key_id": KEY_ID,
        "private_key": include_str!("testdata/test-only.key.pem"),
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

/// The pictures of [`order`](crate::testing::order).
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

    async fn peek(&self, key: &str, _most: usize) -> Result<Option<Peek>, PortError> {
        if key == "throttled" {
            return Err(PortError::Unavailable("throttled".to_owned()));
        }
        let look = |bytes: &Vec<u8>| Peek { bytes: bytes.len() as u64, first: Bytes::new() };
        Ok(self.objects.get(key).map(look))
    }

    async fn remove(&self, _key: &str) -> Result<(), PortError> {
        Err(PortError::Broken("read only".to_owned()))
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
            SecretName::ReplicateToken | SecretName::DatabaseUrl => {
                return Err(PortError::Broken("none".to_owned()));
            }
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

impl Script {
    pub(super) fn connection(self: &Arc<Self>) -> Connection {
        self.connection_with(FakeSecrets::default(), "")
    }

    pub(super) fn connection_with(
        self: &Arc<Self>,
        secrets: FakeSecrets,
        endpoint: &str,
    ) -> Connection {
        let settings = FakeSettings { api_endpoint: endpoint.to_owned() };
        let clock = Arc::new(FakeClock::started());
        Connection::new(self.clone(), Arc::new(secrets), Arc::new(settings), clock)
    }
}
