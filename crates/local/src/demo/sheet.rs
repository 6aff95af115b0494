//! The contact sheet: every delivered picture, small, on one page.

use anyhow::{Context, Result};
use bytes::Bytes;
use image::{RgbImage, imageops};

const COLUMNS: u32 = 12;
const CELL: (u32, u32) = (108, 144);
const GAP: u32 = 6;
const QUALITY: u8 = 85;

/// Lays the JPEGs out in rows, in the order given; `step` is told of each.
pub(super) fn contact_sheet(
    pictures: &[(String, Bytes)],
    step: impl Fn() -> Result<()>,
) -> Result<Vec<u8>> {
    let rows = u32::try_from(pictures.len())?.div_ceil(COLUMNS).max(1);
    let size = (COLUMNS * (CELL.0 + GAP) + GAP, rows * (CELL.1 + GAP) + GAP);
    let mut sheet = RgbImage::from_pixel(size.0, size.1, image::Rgb([250, 250, 250]));
    for (place, (name, picture)) in (0_u32..).zip(pictures) {
        step()?;
        let small = thumbnail(picture).with_context(|| name.clone())?;
        let (column, row) = (place % COLUMNS, place / COLUMNS);
        let x = GAP + column * (CELL.0 + GAP) + (CELL.0 - small.width()) / 2;
        let y = GAP + row * (CELL.1 + GAP) + (CELL.1 - small.height()) / 2;
        imageops::replace(&mut sheet, &small, x.into(), y.into());
    }
    encode(&sheet)
}

fn thumbnail(jpeg: &[u8]) -> Result<RgbImage> {
    let picture = image::load_from_memory(jpeg).context("a result is no picture")?;
    Ok(picture.thumbnail(CELL.0, CELL.1).into_rgb8())
}

fn encode(picture: &RgbImage) -> Result<Vec<u8>> {
    let (width, height) = (u16::try_from(picture.width())?, u16::try_from(picture.height())?);
    let mut bytes = Vec::new();
    jpeg_encoder::Encoder::new(&mut bytes, QUALITY).encode(
        picture.as_raw(),
        width,
        height,
        jpeg_encoder::ColorType::Rgb,
    )?;
    Ok(bytes)
}
