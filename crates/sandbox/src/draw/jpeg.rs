use bytes::Bytes;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::canvas::Canvas;

const QUALITY: u8 = 85;
/// The most a segment can carry besides its own length.
const MAX_COMMENT: usize = 65_533;

pub(super) fn encode(canvas: &Canvas) -> Bytes {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let side = |length: u32| u16::try_from(length).unwrap_or(u16::MAX);
    let (width, height) = (side(canvas.width()), side(canvas.height()));
    match encoder.encode(canvas.pixels(), width, height, ColorType::Rgb) {
        Ok(()) => jpeg.into(),
        Err(error) => {
            tracing::error!(%error, "a picture could not be encoded");
            Bytes::new()
        }
    }
}

/// The same picture with a comment after its first segment, which names the format.
pub(super) fn comment(jpeg: &[u8], text: &str) -> Vec<u8> {
    insert(jpeg, text.as_bytes())
}

/// The same picture grown to `bytes`, where it is shorter, by empty comments.
pub(super) fn padded(jpeg: &[u8], bytes: usize) -> Vec<u8> {
    let (before, after) = jpeg.split_at(first_segment(jpeg));
    let mut padded = before.to_vec();
    let mut missing = bytes.saturating_sub(jpeg.len());
    padded.reserve(missing + after.len());
    while missing > 4 {
        let text = (missing - 4).min(MAX_COMMENT);
        padded.extend(head(text));
        padded.resize(padded.len() + text, b' ');
        missing -= text + 4;
    }
    padded.extend(after);
    padded
}

fn insert(jpeg: &[u8], text: &[u8]) -> Vec<u8> {
    let text = &text[..text.len().min(MAX_COMMENT)];
    let (before, after) = jpeg.split_at(first_segment(jpeg));
    [before, &head(text.len()), text, after].concat()
}

/// Where it ends.
fn first_segment(jpeg: &[u8]) -> usize {
    let end = match jpeg {
        [_, _, _, _, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => jpeg.len(),
    };
    end.min(jpeg.len())
}

/// What a comment of this length begins with.
fn head(text: usize) -> [u8; 4] {
    let [high, low] = u16::try_from(text + 2).unwrap_or(u16::MAX).to_be_bytes();
    [0xff, 0xfe, high, low]
}
