use bytes::Bytes;
use image::{
    ExtendedColorType, ImageEncoder,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};

use super::canvas::Canvas;

pub(super) fn encode(canvas: &Canvas) -> Bytes {
    let mut png = Vec::new();
    let encoder =
        PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Adaptive);
    let (width, height) = (canvas.width(), canvas.height());
    match encoder.write_image(canvas.pixels(), width, height, ExtendedColorType::Rgb8) {
        Ok(()) => png.into(),
        Err(error) => {
            tracing::error!(%error, "a picture could not be encoded");
            Bytes::new()
        }
    }
}

/// The same picture with `text` behind its end, where readers have stopped.
pub(super) fn marked(png: &[u8], text: &str) -> Vec<u8> {
    [png, text.as_bytes()].concat()
}

/// The same picture grown to `bytes`, where it is shorter.
pub(super) fn padded(png: &[u8], bytes: usize) -> Vec<u8> {
    let mut padded = png.to_vec();
    padded.resize(bytes.max(png.len()), b' ');
    padded
}
