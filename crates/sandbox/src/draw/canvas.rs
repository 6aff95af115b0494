//! RGB pixels, and the few things done with them.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use image::RgbImage;

pub(super) const GREY: [u8; 3] = [190, 190, 194];

#[derive(Clone, Debug)]
pub(super) struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

/// A rectangle in pixels; may reach over the edge of what it lies on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) left: i64,
    pub(super) top: i64,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Canvas {
    pub(super) fn of(image: RgbImage) -> Self {
        let (width, height) = image.dimensions();
        Self { width, height, pixels: image.into_raw() }
    }

    /// `pixels` holds three bytes a pixel, row by row.
    pub(super) fn from_pixels(width: u32, height: u32, pixels: Vec<u8>) -> Self {
        Self { width, height, pixels }
    }

    pub(super) fn filled(width: u32, height: u32, colour: [u8; 3]) -> Self {
        let pixels = colour.repeat(width as usize * height as usize);
        Self { width, height, pixels }
    }

    pub(super) fn width(&self) -> u32 {
        self.width
    }

    pub(super) fn height(&self) -> u32 {
        self.height
    }

    pub(super) fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    pub(super) fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let at = (y as usize * self.width as usize + x as usize) * 3;
        self.pixels.get(at..at + 3).and_then(|p| p.try_into().ok()).unwrap_or_default()
    }

    /// Scaled to cover `width` x `height` exactly; what is over is cut off, mostly below.
    pub(super) fn covering(&self, width: u32, height: u32, filter: FilterType) -> Self {
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(filter))
            .fit_into_destination(Some((0.5, 0.25)));
        let pixels = resize(
            &self.pixels,
            (self.width, self.height),
            (width, height),
            PixelType::U8x3,
            &options,
        );
        Self { width, height, pixels }
    }

    pub(super) fn scaled(&self, width: u32, height: u32) -> Self {
        let options =
            ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
        let pixels = resize(
            &self.pixels,
            (self.width, self.height),
            (width, height),
            PixelType::U8x3,
            &options,
        );
        Self { width, height, pixels }
    }

    /// Lays `over` on, as far as `mask` (one byte a pixel of `over`, 255 = opaque) lets it.
    pub(super) fn blend(&mut self, over: &Self, mask: &[u8], left: i64, top: i64) {
        let inside =
            |at: i64, length: u32| usize::try_from(at.clamp(0, length.into())).unwrap_or(0);
        let (from, to) =
            (inside(left, self.width), inside(left + i64::from(over.width), self.width));
        let skipped = usize::try_from(-left.min(0)).unwrap_or(0);
        for y in 0..over.height {
            let target = top + i64::from(y);
            if target < 0 || target >= i64::from(self.height) || from >= to {
                continue;
            }
            let row = inside(target, self.height) * self.width as usize;
            let source = y as usize * over.width as usize + skipped;
            let below = &mut self.pixels[(row + from) * 3..(row + to) * 3];
            let above = &over.pixels[source * 3..(source + to - from) * 3];
            let mask = &mask[source..source + to - from];
            let pixels = below.as_chunks_mut::<3>().0.iter_mut().zip(above.as_chunks::<3>().0);
            for ((below, above), alpha) in pixels.zip(mask) {
                match alpha {
                    0 => {}
                    255 => *below = *above,
                    alpha => mix(below, *above, *alpha),
                }
            }
        }
    }

    /// Mixes one colour into a rectangle.
    pub(super) fn tint(&mut self, place: Place, colour: [u8; 3], alpha: u8) {
        let over = Self::filled(place.width, 1, colour);
        let mask = vec![alpha; place.width as usize];
        for y in 0..i64::from(place.height) {
            self.blend(&over, &mask, place.left, place.top + y);
        }
    }
}

/// A part of a side, or a multiple.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a side of a picture, which is short"
)]
pub(super) fn share(side: u32, part: f64) -> u32 {
    (f64::from(side) * part).round().max(1.0) as u32
}

fn mix(below: &mut [u8; 3], above: [u8; 3], alpha: u8) {
    let alpha = u32::from(alpha);
    for (below, above) in below.iter_mut().zip(above) {
        let mixed = (u32::from(above) * alpha + u32::from(*below) * (255 - alpha) + 127) / 255;
        *below = u8::try_from(mixed).unwrap_or(u8::MAX);
    }
}

/// Scales pixels of `kind`; nothing but blackness where a side is zero.
pub(super) fn resize(
    pixels: &[u8],
    from: (u32, u32),
    to: (u32, u32),
    kind: PixelType,
    options: &ResizeOptions,
) -> Vec<u8> {
    let mut scaled = Image::new(to.0, to.1, kind);
    let result = ImageRef::new(from.0, from.1, pixels, kind)
        .map_err(|error| error.to_string())
        .and_then(|source| {
            let resized = Resizer::new().resize(&source, &mut scaled, options);
            resized.map_err(|error| error.to_string())
        });
    if let Err(error) = result {
        tracing::warn!(error, "a picture could not be scaled");
    }
    scaled.into_vec()
}
