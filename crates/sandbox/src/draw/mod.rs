//! Pictures made visibly from their inputs: the person fitted to the size asked for, the garments
//! laid on, and a strip that says what was asked for.

mod cache;
mod canvas;
mod garment;
mod jpeg;
mod label;
mod person;

use std::sync::Mutex;

use bytes::Bytes;

use self::{cache::Cache, canvas::Canvas};
use crate::{
    Pictures,
    generate::Order,
    lots,
    shelf::{Input, lock},
};

/// What the strip says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label<'a> {
    pub(crate) model: &'a str,
    pub(crate) size: &'a str,
    pub(crate) ratio: &'a str,
    pub(crate) thinking: &'a str,
}

impl Label<'_> {
    fn text(&self) -> String {
        format!("{}  {} {}  {}", self.model, self.size, self.ratio, self.thinking)
    }
}

#[derive(Debug)]
pub(crate) struct Artist {
    pictures: Pictures,
    tiny: Bytes,
    cache: Mutex<Cache>,
}

impl Artist {
    pub(crate) fn new(pictures: Pictures, cache_bytes: usize) -> Self {
        let tiny = Canvas::filled(8, 8, [200, 200, 200]);
        Self { pictures, tiny: jpeg::encode(&tiny), cache: Mutex::new(Cache::new(cache_bytes)) }
    }

    /// The picture of an order as JPEG, with `key` in a comment.
    pub(crate) fn picture(&self, order: &Order, label: &Label<'_>, key: &str) -> Vec<u8> {
        match self.pictures {
            Pictures::Canned { bytes } => jpeg::padded(&jpeg::comment(&self.tiny, key), bytes),
            Pictures::Drawn => jpeg::comment(&self.drawn(order, &label.text()), key),
        }
    }

    /// A draft made while thinking; too small to be mistaken for a result.
    pub(crate) fn draft(&self, key: &str) -> Vec<u8> {
        jpeg::comment(&self.tiny, key)
    }

    /// Drawn once for the same inputs, size and label, as long as the cache remembers.
    fn drawn(&self, order: &Order, label: &str) -> Bytes {
        let size = [order.width.to_le_bytes(), order.height.to_le_bytes()].concat();
        let mut parts = vec![size.as_slice(), label.as_bytes()];
        parts.extend(order.pictures.iter().map(|input| input.hash.as_slice()));
        let hash = lots::hash(&parts);
        let mut cache = lock(&self.cache);
        if let Some(known) = cache.get(&hash) {
            return known;
        }
        let drawn = jpeg::encode(&draw(order, label));
        cache.put(hash, drawn.clone());
        drawn
    }
}

fn draw(order: &Order, label: &str) -> Canvas {
    let mut inputs = order.pictures.iter().map(|input| decode(input));
    let (width, height) = (order.width, order.height);
    let mut canvas = match inputs.next() {
        Some(person) => person::fitted(&person, width, height),
        None => Canvas::filled(width, height, canvas::GREY),
    };
    let garments: Vec<Canvas> = inputs.collect();
    garment::lay_on(&mut canvas, &garments);
    label::strip(&mut canvas, label);
    canvas
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
