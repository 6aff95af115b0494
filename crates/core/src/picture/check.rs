//! A picture's header, read before money is spent on it. Nothing is decoded: what a decoder would
//! have to make of it follows from what the header declares.

use super::{Mime, jpeg, png, webp};
use crate::request::MAX_PICTURE_BYTES;

/// The shortest and the longest side that a picture may have, in pixels.
pub const MIN_SIDE: u32 = 256;
pub const MAX_SIDE: u32 = 8_192;
/// The most pixels that a picture may have.
pub const MAX_PIXELS: u64 = 40_000_000;
/// How much of a picture is read at first, in bytes. Most headers end within; one behind large EXIF
/// data or a colour profile does not.
pub const FIRST_LOOK: usize = 64 * 1_024;

/// The size of a picture in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub width: u32,
    pub height: u32,
}

/// What a look at the beginning of a picture gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It may be given to a model.
    Good(Mime, Frame),
    /// Its header lies beyond what was read.
    Further,
}

/// Why a picture cannot be used; says the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("upload a JPEG, PNG or WebP picture")]
    NoPicture,
    #[error("upload a picture of at most {MAX_PICTURE_BYTES} bytes")]
    Heavy,
    #[error("save the picture anew and upload it whole: its header cannot be read")]
    Broken,
    #[error("upload a still picture: this one is animated")]
    Animated,
    #[error("save the picture anew and upload it: its canvas and its frame differ in size")]
    TwoSizes,
    #[error("upload a picture of at least {MIN_SIDE} pixels a side")]
    Small,
    #[error("upload a picture of at most {MAX_SIDE} pixels a side")]
    Long,
    #[error("upload a picture of at most {} megapixels", MAX_PIXELS / 1_000_000)]
    Large,
}

/// Looks at a picture of `bytes` bytes that begins with `first`.
pub fn look(bytes: u64, first: &[u8]) -> Result<Look, Flaw> {
    let mime = Mime::sniff(first).ok_or(Flaw::NoPicture)?;
    if bytes > MAX_PICTURE_BYTES {
        return Err(Flaw::Heavy);
    }
    let frame = match mime {
        Mime::Jpeg => jpeg::frame(first),
        Mime::Png => png::frame(first),
        Mime::Webp => webp::frame(first, bytes),
    };
    match frame? {
        Some(frame) => frame.check().map(|()| Look::Good(mime, frame)),
        None if (first.len() as u64) < bytes => Ok(Look::Further),
        None => Err(Flaw::Broken),
    }
}

impl Frame {
    fn check(self) -> Result<(), Flaw> {
        let pixels = u64::from(self.width) * u64::from(self.height);
        match (self.width.min(self.height), self.width.max(self.height)) {
            (0, _) => Err(Flaw::Broken),
            (_, long) if long > MAX_SIDE => Err(Flaw::Long),
            (short, _) if short < MIN_SIDE => Err(Flaw::Small),
            _ if pixels > MAX_PIXELS => Err(Flaw::Large),
            _ => Ok(()),
        }
    }
}
