//! Pictures as they came in, each distinct one kept once and only while somebody needs it.

use std::{
    collections::HashMap,
    fmt,
    io::Cursor,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::Bytes;
use image::ImageReader;

use crate::lots::{self, Hash};

/// A lock whose holder died is a lock like any other: what it guards is whole between statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An input picture. Without bytes where it is elsewhere, or where nothing is drawn.
pub(crate) struct Input {
    pub(crate) hash: Hash,
    pub(crate) bytes: Bytes,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input({} bytes)", self.bytes.len())
    }
}

/// By its head alone. What this build cannot decode (HEIC) is taken at its word.
pub(crate) fn is_picture(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"ftyp") || dimensions(bytes).is_some()
}

/// Width and height, by its head.
pub(crate) fn dimensions(bytes: &[u8]) -> Option<(u32, u32)> {
    ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?.into_dimensions().ok()
}

#[derive(Debug)]
pub(crate) struct Shelf {
    /// Whether bytes are kept at all.
    keeps: bool,
    inputs: Mutex<HashMap<Hash, Weak<Input>>>,
}

impl Shelf {
    pub(crate) fn new(keeps: bool) -> Self {
        Self { keeps, inputs: Mutex::default() }
    }

    pub(crate) fn keeps(&self) -> bool {
        self.keeps
    }

    pub(crate) fn put(&self, bytes: impl AsRef<[u8]> + Into<Bytes>) -> Arc<Input> {
        let hash = lots::hash(&[bytes.as_ref()]);
        if !self.keeps {
            return Arc::new(Input { hash, bytes: Bytes::new() });
        }
        let mut inputs = lock(&self.inputs);
        if let Some(known) = inputs.get(&hash).and_then(Weak::upgrade) {
            return known;
        }
        if inputs.len() == inputs.capacity() {
            inputs.retain(|_, input| input.strong_count() > 0);
        }
        let input = Arc::new(Input { hash, bytes: bytes.into() });
        inputs.insert(hash, Arc::downgrade(&input));
        input
    }

    /// A picture by address, which is never fetched.
    pub(crate) fn elsewhere(uri: &str) -> Arc<Input> {
        Arc::new(Input { hash: lots::hash(&[b"uri", uri.as_bytes()]), bytes: Bytes::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_each_picture_once_and_forgets_the_unused() {
        let shelf = Shelf::new(true);
        let (a, b) = (shelf.put(vec![1, 2]), shelf.put(vec![1, 2]));
        assert!(Arc::ptr_eq(&a, &b));
        drop((a, b));
        for i in 0..1_000_u32 {
            drop(shelf.put(i.to_le_bytes().to_vec()));
        }
        assert!(lock(&shelf.inputs).len() < 16);
        assert!(Shelf::new(false).put(vec![1]).bytes.is_empty());
    }
}
