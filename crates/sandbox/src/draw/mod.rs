//! Pictures made visibly from their inputs: the person fitted to the size asked for, the garments
//! laid on, and a strip that says what was asked for.

mod cache;
mod canvas;
mod garment;
mod jpeg;
mod label;
mod person;
mod png;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tryon_core::picture::Mime;

use self::{cache::Cache, canvas::Canvas};
use crate::{
    Pictures, lots,
    shelf::{Input, lock},
};

/// What is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Drawing {
    pub(crate) manner: Manner,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// The person first.
    pub(crate) pictures: Vec<Arc<Input>>,
    /// What the strip says.
    pub(crate) label: String,
    /// JPEG or PNG.
    pub(crate) mime: Mime,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Manner {
    /// The person with the garments laid on.
    Dressed,
    /// The person alone, since the garments are but words; without one, a stranger.
    Described,
    /// The first picture so many times as large, whatever size is asked for.
    Enlarged { times: f64 },
}

/// The longest side of an enlarged picture.
const LONGEST: u32 = 4_096;

/// A picture that shows nothing.
#[derive(Debug)]
struct Tiny {
    jpeg: Bytes,
    png: Bytes,
}

#[derive(Debug)]
pub(crate) struct Artist {
    pictures: Pictures,
    tiny: Tiny,
    cache: Mutex<Cache>,
}

impl Artist {
    pub(crate) fn new(pictures: Pictures, cache_bytes: usize) -> Self {
        let tiny = Canvas::filled(8, 8, [200, 200, 200]);
        let tiny = Tiny { jpeg: jpeg::encode(&tiny), png: png::encode(&tiny) };
        Self { pictures, tiny, cache: Mutex::new(Cache::new(cache_bytes)) }
    }

    /// The picture, with `key` in it where no eye sees it.
    pub(crate) fn picture(&self, drawing: &Drawing, key: &str) -> Vec<u8> {
        let png = drawing.mime == Mime::Png;
        match self.pictures {
            Pictures::Canned { bytes } if png => {
                png::padded(&png::marked(&self.tiny.png, key), bytes)
            }
            Pictures::Canned { bytes } => jpeg::padded(&self.draft(key), bytes),
            Pictures::Drawn if png => png::marked(&self.drawn(drawing), key),
            Pictures::Drawn => jpeg::comment(&self.drawn(drawing), key),
        }
    }

    /// The same as a JPEG of at least so many bytes.
    pub(crate) fn heavy(&self, drawing: &Drawing, key: &str, bytes: usize) -> Vec<u8> {
        jpeg::padded(&self.picture(drawing, key), bytes)
    }

    /// A draft made while thinking; too small to be mistaken for a result.
    pub(crate) fn draft(&self, key: &str) -> Vec<u8> {
        jpeg::comment(&self.tiny.jpeg, key)
    }

    /// Drawn once for the same inputs, size and label, as long as the cache remembers.
    fn drawn(&self, drawing: &Drawing) -> Bytes {
        let sides = [drawing.width.to_le_bytes(), drawing.height.to_le_bytes()].concat();
        let manner = format!("{:?} {}", drawing.manner, drawing.mime);
        let mut parts = vec![sides.as_slice(), manner.as_bytes(), drawing.label.as_bytes()];
        parts.extend(drawing.pictures.iter().map(|input| input.hash.as_slice()));
        let hash = lots::hash(&parts);
        let mut cache = lock(&self.cache);
        if let Some(known) = cache.get(&hash) {
            return known;
        }
        let canvas = draw(drawing);
        let drawn =
            if drawing.mime == Mime::Png { png::encode(&canvas) } else { jpeg::encode(&canvas) };
        cache.put(hash, drawn.clone());
        drawn
    }
}

fn draw(drawing: &Drawing) -> Canvas {
    let mut inputs = drawing.pictures.iter().map(|input| decode(input));
    let (width, height) = (drawing.width, drawing.height);
    let mut canvas = match (drawing.manner, inputs.next()) {
        (Manner::Enlarged { times }, Some(picture)) => enlarged(&picture, times),
        (_, Some(person)) => person::fitted(&person, width, height),
        (Manner::Described, None) => person::stranger(width, height),
        (_, None) => Canvas::filled(width.max(8), height.max(8), canvas::GREY),
    };
    if drawing.manner == Manner::Dressed {
        let garments: Vec<Canvas> = inputs.collect();
        garment::lay_on(&mut canvas, &garments);
    }
    label::strip(&mut canvas, &drawing.label);
    canvas
}

fn enlarged(picture: &Canvas, times: f64) -> Canvas {
    let (width, height) = (picture.width(), picture.height());
    let times = times.min(f64::from(LONGEST) / f64::from(width.max(height).max(1)));
    picture.scaled(canvas::share(width, times), canvas::share(height, times))
}

/// An input; grey where it lies elsewhere or cannot be decoded.
fn decode(input: &Input) -> Canvas {
    match image::load_from_memory(&input.bytes) {
        Ok(image) => Canvas::of(image.into_rgb8()),
        Err(_) => Canvas::filled(256, 256, canvas::GREY),
    }
}

#[cfg(test)]
mod tests;
