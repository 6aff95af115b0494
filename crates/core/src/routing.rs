//! Who goes to Google: a stable hash of the user against a percentage.
//!
//! `bucket = (murmur3_x86_32("{salt}:{user}") * 10_000) >> 32`, in at `p` basis points iff
//! `bucket < p`. Integers only, so that every build of every release agrees; raising the percentage
//! only ever adds users, and lowering it removes the last ones added.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ids::UserId;

/// Which provider a render is for: `assigned` by the hash, or `served` in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    Gemini,
    Legacy,
}

impl Route {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gemini => "gemini",
            Self::Legacy => "legacy",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A user's place on the line from 0 to 9,999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bucket(u16);

impl Bucket {
    /// The bucket of `user` under `salt`. One salt per decision: a second split that reused the
    /// rollout's salt would not be random inside it.
    pub fn of(salt: &str, user: &UserId) -> Self {
        let mut hash = Murmur3::default();
        hash.write(salt.as_bytes());
        hash.write(b":");
        hash.write(user.as_str().as_bytes());
        Self::from_hash(hash.finish())
    }

    #[expect(clippy::cast_possible_truncation, reason = "a bucket is below 10,000")]
    pub const fn from_hash(hash: u32) -> Self {
        Self(((hash as u64 * 10_000) >> 32) as u16)
    }

    pub const fn get(self) -> u16 {
        self.0
    }

    pub const fn is_below(self, percent: Percent) -> bool {
        self.0 < percent.basis_points()
    }
}

/// 0.00 to 100.00 %, kept as basis points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u16);

impl Percent {
    pub const ZERO: Self = Self(0);
    pub const FULL: Self = Self(10_000);

    pub const fn from_basis_points(points: u16) -> Option<Self> {
        if points <= 10_000 { Some(Self(points)) } else { None }
    }

    pub const fn basis_points(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, rest) => write!(f, "{whole}.{rest:02}"),
        }
    }
}

/// As the text that the knobs take.
impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Why a text is no percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a percentage from 0 to 100 with at most two decimals, such as 10 or 12.5")]
pub struct NotPercent;

impl FromStr for Percent {
    type Err = NotPercent;

    fn from_str(text: &str) -> Result<Self, NotPercent> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || whole.len() > 3 || !digits(fraction) || fraction.len() > 2 {
            return Err(NotPercent);
        }
        let points: u32 = format!("{whole}{fraction:0<2}").parse().map_err(|_| NotPercent)?;
        u16::try_from(points).ok().and_then(Self::from_basis_points).ok_or(NotPercent)
    }
}

/// What the router knows about the split when a render arrives.
#[derive(Clone, Copy, Debug)]
pub struct Split<'a> {
    /// `enable-gemini-batch`; off closes the Gemini route to new renders.
    pub enabled: bool,
    /// `traffic-percent`, set by ops.
    pub percent: Percent,
    /// `traffic-ceiling`, set by the rollout; the lower of the two counts.
    pub ceiling: Percent,
    pub salt: &'a str,
}

/// Where a user is sent, and what made it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub bucket: Bucket,
    pub route: Route,
    /// The percentage in force: the lower of `traffic-percent` and `traffic-ceiling`.
    pub percent: Percent,
    pub reason: RouteReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteReason {
    /// The Gemini route is switched off.
    Disabled,
    /// The bucket lies below the percentage.
    Inside,
    /// The bucket lies at or above the percentage.
    Outside,
}

/// No user id: refused, since a constant or random pick would break the split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("user_id is missing or empty")]
pub struct NoUser;

/// Assigns `user` to a route.
pub fn assign(user: &UserId, split: &Split<'_>) -> Result<Assignment, NoUser> {
    if user.as_str().is_empty() {
        return Err(NoUser);
    }
    let bucket = Bucket::of(split.salt, user);
    let percent = split.percent.min(split.ceiling);
    let (route, reason) = match (split.enabled, bucket.is_below(percent)) {
        (false, _) => (Route::Legacy, RouteReason::Disabled),
        (true, true) => (Route::Gemini, RouteReason::Inside),
        (true, false) => (Route::Legacy, RouteReason::Outside),
    };
    Ok(Assignment { bucket, route, percent, reason })
}

/// murmur3 x86 32-bit with seed 0, over one piece.
pub fn murmur3_x86_32(bytes: &[u8]) -> u32 {
    let mut hash = Murmur3::default();
    hash.write(bytes);
    hash.finish()
}

/// murmur3 x86 32-bit with seed 0, fed piece by piece, so that a salted key needs no buffer.
#[derive(Default)]
struct Murmur3 {
    hash: u32,
    tail: u32,
    length: u32,
}

impl Murmur3 {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.tail |= u32::from(byte) << (8 * (self.length % 4));
            self.length = self.length.wrapping_add(1);
            if self.length.is_multiple_of(4) {
                self.hash = (self.hash ^ Self::mix(self.tail)).rotate_left(13);
                self.hash = self.hash.wrapping_mul(5).wrapping_add(0xe654_6b64);
                self.tail = 0;
            }
        }
    }

    fn mix(block: u32) -> u32 {
        block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
    }

    fn finish(self) -> u32 {
        // Mixing an empty tail gives 0, which leaves the hash as it is.
        let mut hash = self.hash ^ Self::mix(self.tail) ^ self.length;
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
        hash ^ (hash >> 16)
    }
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
