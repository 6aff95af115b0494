//! Doubles for the tests of this crate: a transport that plays a script, and time.

mod script;

use std::{collections::BTreeMap, io, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::time::Instant;
use tryon_core::{
    catalogue::Quality,
    chain::Step,
    ids::RenderId,
    messages::RenderOrder,
    picture::{Mime, PictureRef},
    ports::{ByteStream, Clock},
    request::{AspectRatio, Garment, Person, RenderRequest},
};

pub(crate) use self::script::{Play, Script, Sent};

pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

pub(crate) fn picture(key: &str, bytes: u64) -> PictureRef {
    PictureRef { key: key.to_owned(), bytes, mime: Mime::Jpeg }
}

/// A person, a shirt and shoes.
pub(crate) fn order(id: &str) -> RenderOrder {
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
        interim: None,
        wait_until: now(),
        run_until: now(),
        rescue: false,
        diverts: false,
        buy_before: now(),
    }
}

/// The bytes in pieces of `size`; with `cut`, half of them and then an error.
pub(crate) fn pieces(bytes: &[u8], size: usize, cut: bool) -> ByteStream {
    let end = if cut { bytes.len() / 2 } else { bytes.len() };
    let good: Vec<_> =
        bytes[..end].chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let error = cut.then(|| Err(io::Error::from(io::ErrorKind::ConnectionReset)));
    stream::iter(good.into_iter().chain(error)).boxed()
}

#[derive(Debug)]
pub(crate) struct FakeClock(Instant);

impl FakeClock {
    pub(crate) fn started() -> Self {
        Self(Instant::now())
    }
}

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

/// The value with its fields in order: in which one they stand otherwise depends on what else is built.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.into_iter().collect();
            fields.into_iter().map(|(name, value)| (name, sorted(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
