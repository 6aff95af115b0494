use std::{io::Cursor, sync::Arc};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use image::{DynamicImage, codecs::jpeg::JpegEncoder, imageops::FilterType};
use tryon_core::{
    ids::AttemptId,
    picture::Mime,
    ports::{Links, Objects, PortError, UploadLink},
};

/// What Replicate takes of a picture that rides in its request, as text.
const MOST: usize = 256_000;
/// Sides and qualities that a larger picture is tried at.
const SMALLER: [(u32, u8); 5] = [(1_536, 85), (1_280, 85), (1_024, 80), (768, 80), (512, 75)];

/// Addresses that are the pictures themselves. They have no room for an attempt's id: a create whose
/// answer is lost is not found again.
#[derive(Debug)]
pub(crate) struct InlineLinks {
    pub(crate) objects: Arc<dyn Objects>,
}

#[async_trait]
impl Links for InlineLinks {
    async fn read(
        &self,
        key: &str,
        _expires: DateTime<Utc>,
        _attempt: Option<&AttemptId>,
    ) -> Result<String, PortError> {
        let broken = |why: &str| PortError::Broken(format!("{key} {why}"));
        let stream = self.objects.get(key).await?.ok_or_else(|| broken("is not there"))?;
        let pieces: Result<BytesMut, _> = stream.try_collect().await;
        let bytes = pieces.map_err(|error| PortError::Unavailable(error.to_string()))?.freeze();
        let mime = Mime::sniff(&bytes).ok_or_else(|| broken("is no picture"))?;
        let whole = address(mime, &bytes);
        if whole.len() <= MOST {
            return Ok(whole);
        }
        smaller(&bytes).ok_or_else(|| broken("cannot be made small enough"))
    }

    async fn write(
        &self,
        _key: &str,
        _mime: Mime,
        _bytes: u64,
        _expires: DateTime<Utc>,
    ) -> Result<UploadLink, PortError> {
        Err(PortError::Broken("pictures are only read here".to_owned()))
    }
}

fn address(mime: Mime, bytes: &[u8]) -> String {
    format!("data:{};base64,{}", mime.as_str(), BASE64_STANDARD.encode(bytes))
}

/// The largest JPEG of the picture that fits.
fn smaller(bytes: &Bytes) -> Option<String> {
    let picture = image::load_from_memory(bytes).ok()?;
    SMALLER.into_iter().find_map(|(side, quality)| {
        let jpeg = jpeg(&picture, side, quality)?;
        Some(address(Mime::Jpeg, &jpeg)).filter(|address| address.len() <= MOST)
    })
}

fn jpeg(picture: &DynamicImage, side: u32, quality: u8) -> Option<Vec<u8>> {
    let small = if picture.width().max(picture.height()) > side {
        picture.resize(side, side, FilterType::Triangle)
    } else {
        picture.clone()
    };
    let mut jpeg = Cursor::new(Vec::new());
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, quality);
    small.to_rgb8().write_with_encoder(encoder).ok()?;
    Some(jpeg.into_inner())
}

#[cfg(test)]
mod tests {
    use tryon_core::memory::{Chaos, MemoryObjects};

    use super::*;

    #[tokio::test]
    async fn a_picture_rides_along_as_it_is_or_smaller() {
        let objects = Arc::new(MemoryObjects::new(Arc::new(Chaos::seeded(1))));
        let links = InlineLinks { objects: objects.clone() };
        let read = async |key: &str| links.read(key, DateTime::UNIX_EPOCH, None).await;
        let small = include_bytes!("../../assets/person.jpg");
        // Noise: nothing compresses it.
        let noise = image::RgbImage::from_fn(1_800, 1_200, |x, y| {
            let n = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503).rotate_left(9)) >> 5;
            image::Rgb([(n & 255) as u8, (n >> 8 & 255) as u8, (n >> 16 & 255) as u8])
        });
        let mut large = Cursor::new(Vec::new());
        noise.write_to(&mut large, image::ImageFormat::Png).unwrap();
        let large = Bytes::from(large.into_inner());
        assert!(large.len() > MOST);
        for (key, bytes) in [("small", Bytes::from_static(small)), ("large", large)] {
            objects.put(key, bytes, Mime::Jpeg).await.unwrap();
            let address = read(key).await.unwrap();
            assert!(address.len() <= MOST, "{key}: {}", address.len());
            let data = address.strip_prefix("data:image/jpeg;base64,").unwrap();
            let bytes = BASE64_STANDARD.decode(data).unwrap();
            assert!(image::load_from_memory(&bytes).is_ok(), "{key}");
        }
        objects.put("text", Bytes::from_static(b"no picture"), Mime::Jpeg).await.unwrap();
        for bad in ["text", "nothing"] {
            assert!(matches!(read(bad).await, Err(PortError::Broken(_))), "{bad}");
        }
    }
}
