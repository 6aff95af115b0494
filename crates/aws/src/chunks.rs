//! Requests that carry several entries, as SQS and `EventBridge` take them.

use std::time::Duration;

use tryon_core::ports::Random;

/// The most entries of a request.
const MOST: usize = 10;
/// How often an entry is sent before it counts as failed.
pub(crate) const TRIES: u32 = 4;
const FIRST_PAUSE: u64 = 100;

/// Splits in order into requests of at most ten items and `most` bytes. `apart` says which two must
/// not share a request.
pub(crate) fn chunks<T>(
    items: Vec<T>,
    most: usize,
    bytes: impl Fn(&T) -> usize,
    apart: impl Fn(&T, &T) -> bool,
) -> Vec<Vec<T>> {
    let mut chunks: Vec<Vec<T>> = Vec::new();
    for item in items {
        match chunks.last_mut() {
            Some(chunk)
                if chunk.len() < MOST
                    && chunk.iter().map(&bytes).sum::<usize>() + bytes(&item) <= most
                    && !chunk.iter().any(|other| apart(other, &item)) =>
            {
                chunk.push(item);
            }
            _ => chunks.push(vec![item]),
        }
    }
    chunks
}

/// The wait after try `n` (from 1) of entries that failed: about 100 ms, doubling.
pub(crate) fn pause(n: u32, random: &dyn Random) -> Duration {
    let longest = FIRST_PAUSE << n.min(TRIES);
    Duration::from_millis(longest / 2 + random.next_u64() % (longest / 2))
}

#[cfg(test)]
mod tests {
    use tryon_core::memory::SeededRandom;

    use super::*;

    #[test]
    fn chunks_keep_the_order_and_every_limit() {
        let never = |_: &usize, _: &usize| false;
        let of = |items: Vec<usize>, most| chunks(items, most, |item| *item, never);
        assert_eq!(of(vec![], 9), Vec::<Vec<usize>>::new());
        assert_eq!(
            of(vec![4, 5, 1, 9, 10, 2], 9),
            [vec![4, 5], vec![1], vec![9], vec![10], vec![2]]
        );
        let lengths: Vec<_> = of(vec![1; 25], 100).iter().map(Vec::len).collect();
        assert_eq!(lengths, [10, 10, 5]);
        let apart = chunks(vec![1, 2, 1, 1, 2], 100, |item| *item, |a, b| a == b);
        assert_eq!(apart, [vec![1, 2], vec![1], vec![1, 2]]);
    }

    #[test]
    fn pauses_grow_and_scatter() {
        let random = SeededRandom::new(1);
        for n in 1..TRIES {
            let longest = Duration::from_millis(100 << n);
            for _ in 0..100 {
                assert!((longest / 2..longest).contains(&pause(n, &random)), "{n}");
            }
        }
    }
}
