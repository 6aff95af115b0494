use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::lots::Hash;

/// Encoded pictures up to a number of bytes; the oldest go first.
#[derive(Debug)]
pub(super) struct Cache {
    most: usize,
    held: usize,
    pictures: HashMap<Hash, Bytes>,
    order: VecDeque<Hash>,
}

impl Cache {
    pub(super) fn new(most: usize) -> Self {
        Self { most, held: 0, pictures: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn get(&self, hash: &Hash) -> Option<Bytes> {
        self.pictures.get(hash).cloned()
    }

    /// A picture that alone is more than the cache may hold is not kept.
    pub(super) fn put(&mut self, hash: Hash, picture: Bytes) {
        if picture.len() > self.most || self.pictures.contains_key(&hash) {
            return;
        }
        self.held += picture.len();
        self.pictures.insert(hash, picture);
        self.order.push_back(hash);
        while self.held > self.most {
            let oldest = self.order.pop_front().and_then(|hash| self.pictures.remove(&hash));
            self.held -= oldest.map_or(0, |picture| picture.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_holds_more_than_it_may() {
        let mut cache = Cache::new(10);
        for i in 0..5 {
            cache.put([i; 32], Bytes::from(vec![i; 4]));
        }
        assert_eq!((cache.held, cache.pictures.len()), (8, 2));
        assert!(cache.get(&[4; 32]).is_some() && cache.get(&[0; 32]).is_none());
        cache.put([9; 32], Bytes::from(vec![0; 11]));
        assert_eq!(cache.held, 8);
    }
}
