//! Pictures are passed by reference; the bytes stay in the object store.

mod check;
mod jpeg;
mod png;
mod webp;

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use self::check::{FIRST_LOOK, Flaw, Frame, Look, MAX_PIXELS, MAX_SIDE, MIN_SIDE, look};

/// The picture formats every provider here takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mime {
    #[serde(rename = "image/jpeg")]
    Jpeg,
    #[serde(rename = "image/png")]
    Png,
    #[serde(rename = "image/webp")]
    Webp,
}

impl Mime {
    pub const ALL: [Self; 3] = [Self::Jpeg, Self::Png, Self::Webp];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }

    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
        }
    }

    /// By magic bytes: what a sender calls a picture is not believed.
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }
}

impl fmt::Display for Mime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a picture lies in the object store, and its exact length in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureRef {
    pub key: String,
    pub bytes: u64,
    pub mime: Mime,
}

/// A picture in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub bytes: Bytes,
    pub mime: Mime,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({} bytes of {})", self.bytes.len(), self.mime)
    }
}

#[cfg(test)]
mod tests;
