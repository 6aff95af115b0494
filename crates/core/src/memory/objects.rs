use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use sha2::{Digest, Sha256};

use super::{
    chaos::{Call, Chaos, Mishap, yield_once},
    lock, opaque_debug,
};
use crate::{
    picture::Mime,
    ports::{ByteStream, Objects, Peek, PortError},
};

/// What is kept of an object below a digest-only prefix, in bytes.
const FIRST: usize = 64;
/// The length of the pieces in which an object's bytes come, in bytes.
const PIECE: usize = 64 * 1_024;

/// Objects by key.
pub struct MemoryObjects {
    chaos: Arc<Chaos>,
    /// Below these prefixes only digests are kept.
    digest_only: Vec<String>,
    objects: Mutex<BTreeMap<String, Object>>,
}

opaque_debug!(MemoryObjects);

struct Object {
    digest: ObjectDigest,
    /// Whether all of the bytes are kept, or only the first of them.
    whole: bool,
    bytes: Bytes,
}

/// What is remembered of an object in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectDigest {
    pub bytes: u64,
    /// By what it begins with, where it is a picture.
    pub mime: Option<Mime>,
    /// What the sender called it.
    pub declared: Mime,
    pub sha256: [u8; 32],
}

impl MemoryObjects {
    pub fn new(chaos: Arc<Chaos>) -> Self {
        Self { chaos, digest_only: Vec::new(), objects: Mutex::default() }
    }

    /// Keeps only length, format and hash of what lies below `prefix`, so that memory stays flat
    /// however many pictures a simulation makes. Their bytes cannot be read again.
    #[must_use]
    pub fn digest_only(mut self, prefix: impl Into<String>) -> Self {
        self.digest_only.push(prefix.into());
        self
    }

    /// Stores the bytes unless something lies there already, as an upload does; whether it did.
    pub fn put_new(&self, key: &str, bytes: Bytes, mime: Mime) -> bool {
        let object = self.object(key, bytes, mime);
        match lock(&self.objects).entry(key.to_owned()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(object);
                true
            }
        }
    }

    fn object(&self, key: &str, bytes: Bytes, mime: Mime) -> Object {
        let digest = ObjectDigest {
            bytes: bytes.len() as u64,
            mime: Mime::sniff(&bytes),
            declared: mime,
            sha256: Sha256::digest(&bytes).into(),
        };
        let whole = !self.digest_only.iter().any(|prefix| key.starts_with(prefix.as_str()));
        // A copy, so that the rest is not kept with it.
        let first = |bytes: &Bytes| Bytes::copy_from_slice(&bytes[..bytes.len().min(FIRST)]);
        Object { digest, whole, bytes: if whole { bytes } else { first(&bytes) } }
    }

    /// Drops the object under `key`, as its life in the store ends.
    pub fn expire(&self, key: &str) {
        lock(&self.objects).remove(key);
    }

    /// What is remembered of the object under `key`.
    pub fn digest(&self, key: &str) -> Option<ObjectDigest> {
        lock(&self.objects).get(key).map(|object| object.digest.clone())
    }
}

#[async_trait]
impl Objects for MemoryObjects {
    async fn put(&self, key: &str, bytes: Bytes, mime: Mime) -> Result<(), PortError> {
        self.chaos
            .call(Call::ObjectPut, |_| {
                let object = self.object(key, bytes, mime);
                lock(&self.objects).insert(key.to_owned(), object);
                Ok(())
            })
            .await
    }

    async fn get(&self, key: &str) -> Result<Option<ByteStream>, PortError> {
        self.chaos
            .call(Call::ObjectGet, |fate| {
                let objects = lock(&self.objects);
                let Some(object) = objects.get(key) else {
                    return Ok(None);
                };
                if !object.whole {
                    return Err(PortError::Broken(format!("only a digest is kept of {key}")));
                }
                Ok(Some(in_pieces(object.bytes.clone(), fate.is(Mishap::Lost))))
            })
            .await
    }

    async fn peek(&self, key: &str, most: usize) -> Result<Option<Peek>, PortError> {
        self.chaos
            .call(Call::ObjectPeek, |_| {
                let objects = lock(&self.objects);
                Ok(objects.get(key).map(|object| Peek {
                    bytes: object.digest.bytes,
                    first: object.bytes.slice(..object.bytes.len().min(most)),
                }))
            })
            .await
    }

    async fn remove(&self, key: &str) -> Result<(), PortError> {
        self.chaos
            .call(Call::ObjectRemove, |_| {
                self.expire(key);
                Ok(())
            })
            .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, PortError> {
        self.chaos
            .call(Call::ObjectList, |_| {
                let objects = lock(&self.objects);
                let below = objects
                    .range(prefix.to_owned()..)
                    .take_while(|(key, _)| key.starts_with(prefix))
                    .map(|(key, object)| (key.clone(), object.digest.bytes));
                Ok(below.collect())
            })
            .await
    }
}

/// The bytes piece by piece; with `breaks`, half of them and then an error.
fn in_pieces(bytes: Bytes, breaks: bool) -> ByteStream {
    let end = if breaks { bytes.len() / 2 } else { bytes.len() };
    let reset = breaks.then(|| Err(io::Error::from(io::ErrorKind::ConnectionReset)));
    let pieces = (0..end).step_by(PIECE).map(move |at| Ok(bytes.slice(at..end.min(at + PIECE))));
    let arrive = |piece| async {
        yield_once().await;
        piece
    };
    stream::iter(pieces.chain(reset)).then(arrive).boxed()
}
