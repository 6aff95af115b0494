//! Chance without arrival order: every draw follows from the seed, a purpose and what it is about.

use sha2::{Digest, Sha256};

pub(crate) type Hash = [u8; 32];

pub(crate) fn hash(parts: &[&[u8]]) -> Hash {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part);
    }
    sha.finalize().into()
}

/// A number that looks random.
pub(crate) fn draw(seed: u64, purpose: &str, about: &[u8]) -> u64 {
    let hash = hash(&[&seed.to_le_bytes(), purpose.as_bytes(), about]);
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The same in `0.0..1.0`.
pub(crate) fn unit(seed: u64, purpose: &str, about: &[u8]) -> f64 {
    (draw(seed, purpose, about) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A name of `length` digits and lower-case letters.
pub(crate) fn name(seed: u64, purpose: &str, about: &[u8], length: usize) -> String {
    let mut name = String::with_capacity(length + 12);
    for round in 0_u8.. {
        if name.len() >= length {
            break;
        }
        let mut number = draw(seed, purpose, &[about, &[round]].concat());
        for _ in 0..12 {
            let digit = u32::try_from(number % 36).unwrap_or_default();
            name.push(char::from_digit(digit, 36).unwrap_or('0'));
            number /= 36;
        }
    }
    name.truncate(length);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_from_what_they_are_about() {
        assert_eq!(draw(1, "a", b"x"), draw(1, "a", b"x"));
        assert_ne!(draw(1, "a", b"x"), draw(2, "a", b"x"));
        assert_ne!(draw(1, "a", b"x"), draw(1, "b", b"x"));
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        assert_eq!(name(7, "job", b"x", 36).len(), 36);
        let mean = (0..1_000_u32).map(|i| unit(3, "m", &i.to_le_bytes())).sum::<f64>() / 1_000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }
}
