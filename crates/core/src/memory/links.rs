//! Signed addresses, as an object store signs them: good for one method, one key and a time.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use http::Uri;
use sha2::{Digest, Sha256};

use super::opaque_debug;
use crate::{
    ids::AttemptId,
    picture::Mime,
    ports::{Clock, Links, PortError, UploadLink},
};

const BLOCK: usize = 64;

/// Signs addresses below `base`, and checks them.
pub struct MemoryLinks {
    base: String,
    key: [u8; BLOCK],
    clock: Arc<dyn Clock>,
}

opaque_debug!(MemoryLinks);

/// What a good address allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    Read { key: String },
    Write { key: String, mime: Mime, bytes: u64 },
}

/// Why an address is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLink {
    #[error("the signature does not fit")]
    Forged,
    #[error("the address has expired")]
    Expired,
}

/// The parts of an address that are signed, as they stand in it.
struct Signed<'a> {
    path: &'a str,
    query: &'a str,
}

impl MemoryLinks {
    /// `base` is a scheme and a host, such as `http://127.0.0.1:8080`, with a path where wanted.
    pub fn new(base: impl Into<String>, secret: &[u8], clock: Arc<dyn Clock>) -> Self {
        let mut key = [0; BLOCK];
        key[..32].copy_from_slice(&Sha256::digest(secret));
        Self { base: base.into().trim_end_matches('/').to_owned(), key, clock }
    }

    /// What the address allows. Only its path and query count.
    pub fn check(&self, address: &Uri) -> Result<Grant, BadLink> {
        let query = address.query().unwrap_or_default();
        let (query, signature) = query.rsplit_once("&x-signature=").ok_or(BadLink::Forged)?;
        let signed = Signed { path: address.path(), query };
        if !same(self.sign(&signed).as_bytes(), signature.as_bytes()) {
            return Err(BadLink::Forged);
        }
        let field = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let expires = field("x-expires").and_then(|at| at.parse().ok()).ok_or(BadLink::Forged)?;
        if self.clock.now().timestamp() >= expires {
            return Err(BadLink::Expired);
        }
        let at = self.path();
        let key = signed.path.strip_prefix(at).and_then(|rest| rest.strip_prefix('/'));
        let key = key.and_then(unescaped).ok_or(BadLink::Forged)?;
        let mime = field("x-type").and_then(|name| {
            [Mime::Jpeg, Mime::Png, Mime::Webp].into_iter().find(|mime| mime.extension() == name)
        });
        let bytes = field("x-length").and_then(|bytes| bytes.parse().ok());
        match (field("x-method"), mime, bytes) {
            (Some("get"), ..) => Ok(Grant::Read { key }),
            (Some("put"), Some(mime), Some(bytes)) => Ok(Grant::Write { key, mime, bytes }),
            _ => Err(BadLink::Forged),
        }
    }

    /// The path that `base` ends with.
    fn path(&self) -> &str {
        let host = self.base.split_once("://").map_or(self.base.as_str(), |(_, rest)| rest);
        host.find('/').map_or("", |at| &host[at..])
    }

    fn address(&self, key: &str, query: &str) -> String {
        let key = escaped(key);
        let path = format!("{}/{key}", self.path());
        let signature = self.sign(&Signed { path: &path, query });
        format!("{}/{key}?{query}&x-signature={signature}", self.base)
    }

    /// HMAC-SHA-256 in hex.
    fn sign(&self, signed: &Signed<'_>) -> String {
        let pad = |byte: u8| self.key.map(|key| key ^ byte);
        let inner = Sha256::new()
            .chain_update(pad(0x36))
            .chain_update(signed.path)
            .chain_update("?")
            .chain_update(signed.query)
            .finalize();
        let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
        hex(&outer, "")
    }
}

#[async_trait]
impl Links for MemoryLinks {
    async fn read(
        &self,
        key: &str,
        expires: DateTime<Utc>,
        attempt: Option<&AttemptId>,
    ) -> Result<String, PortError> {
        let mut query = format!("x-method=get&x-expires={}", expires.timestamp());
        if let Some(attempt) = attempt {
            query.push_str("&x-attempt=");
            query.push_str(&escaped(attempt.as_str()));
        }
        Ok(self.address(key, &query))
    }

    async fn write(
        &self,
        key: &str,
        mime: Mime,
        bytes: u64,
        expires: DateTime<Utc>,
    ) -> Result<UploadLink, PortError> {
        let kind = mime.extension();
        let expires = expires.timestamp();
        let query = format!("x-method=put&x-expires={expires}&x-type={kind}&x-length={bytes}");
        Ok(UploadLink {
            url: self.address(key, &query),
            headers: vec![
                ("content-type", mime.as_str().to_owned()),
                ("content-length", bytes.to_string()),
                ("if-none-match", "*".to_owned()),
            ],
        })
    }
}

/// Two digits a byte, each pair after `mark`.
fn hex(bytes: &[u8], mark: &str) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    let mut text = String::with_capacity(bytes.len() * (2 + mark.len()));
    for byte in bytes {
        text.push_str(mark);
        text.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    text
}

/// Compares without telling by its time where the difference lies.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// Everything but plain characters as `%XX`; slashes stay.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&hex(&[byte], "%").to_uppercase());
        }
    }
    escaped
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, after @ ..] = rest else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::{contract::fixtures::start, memory::TokioClock};

    fn links() -> MemoryLinks {
        let clock = Arc::new(TokioClock::starting_at(start()));
        MemoryLinks::new("http://127.0.0.1:8080/pictures", b"secret", clock)
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_allows_what_it_was_made_for() {
        let links = links();
        let expires = start() + TimeDelta::minutes(5);
        let attempt = AttemptId::from("r-1/sdxl/1");
        let read = links.read("in/a b/ü.jpg", expires, Some(&attempt)).await.unwrap();
        assert!(read.contains("x-attempt=r-1/sdxl/1"), "{read}");
        let grant = links.check(&read.parse().unwrap());
        assert_eq!(grant, Ok(Grant::Read { key: "in/a b/ü.jpg".to_owned() }));
        let write = links.write("in/a.png", Mime::Png, 7, expires).await.unwrap();
        let grant = links.check(&write.url.parse().unwrap());
        let expected = Grant::Write { key: "in/a.png".to_owned(), mime: Mime::Png, bytes: 7 };
        assert_eq!(grant, Ok(expected));
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_or_old_address_allows_nothing() {
        let links = links();
        let expires = start() + TimeDelta::minutes(5);
        let read = links.read("in/a.jpg", expires, None).await.unwrap();
        for (from, to) in [("in/a", "in/b"), ("=get", "=put"), ("expires=1", "expires=2")] {
            let forged = read.replacen(from, to, 1);
            assert_ne!(forged, read);
            assert_eq!(links.check(&forged.parse().unwrap()), Err(BadLink::Forged), "{forged}");
        }
        for bad in ["http://h/pictures/in/a.jpg", "http://h/pictures/in/a.jpg?x-signature="] {
            assert_eq!(links.check(&bad.parse().unwrap()), Err(BadLink::Forged));
        }
        links.clock.sleep(std::time::Duration::from_secs(300)).await;
        assert_eq!(links.check(&read.parse().unwrap()), Err(BadLink::Expired));
    }

    /// RFC 4231, test case 2, by way of the same code.
    #[test]
    fn the_signature_is_an_hmac() {
        let clock = Arc::new(TokioClock::starting_at(start()));
        let mut links = MemoryLinks::new("http://h", b"", clock);
        links.key = [0; BLOCK];
        links.key[..4].copy_from_slice(b"Jefe");
        let signed = Signed { path: "what do ya want for nothing", query: "" };
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(links.sign(&signed), expected);
    }
}
