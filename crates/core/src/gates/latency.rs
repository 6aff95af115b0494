//! How long images take, as a share of the time they have. P95 is below the target exactly where
//! fewer than five of a hundred are late, so this is the test of a rate.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::{
    betting::{self, Side},
    rate::{self, Rate, RateRule},
    verdict::{Figures, Interval, PASS_ERROR},
};
use crate::{catalogue::Quality, lane::Lane};

/// Where the counts of [`Delays`] are divided, in targets (`width_bucket` of Postgres counts so).
pub const EDGES: [f64; 15] =
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0];
/// The edge that is the target itself.
const TARGET: usize = 9;
const TAIL: f64 = 0.05;

/// What is judged against the same target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Online, SD and HD.
    Online,
    /// Online, 4K: its picture is enlarged after it is made.
    OnlineLarge,
    /// Batch, by each render's own deadline.
    Batch,
}

impl Class {
    pub const ALL: [Self; 3] = [Self::Online, Self::OnlineLarge, Self::Batch];

    pub const fn of(lane: Lane, quality: Quality) -> Self {
        match (lane, quality) {
            (Lane::Batch, _) => Self::Batch,
            (Lane::Online, Quality::FourK) => Self::OnlineLarge,
            (Lane::Online, Quality::Sd | Quality::Hd) => Self::Online,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::OnlineLarge => "online_large",
            Self::Batch => "batch",
        }
    }
}

/// Times counted by share of the target: `counts[i]` lie below `EDGES[i]` and not below the edge
/// before it, the last from the last edge on. One without a picture when its time is over is among
/// the last, for it is late already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delays {
    /// Those that were made together count one, in parts.
    pub counts: [f64; EDGES.len() + 1],
}

impl AddAssign for Delays {
    fn add_assign(&mut self, other: Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
    }
}

impl Delays {
    /// One more, which took this share of its target.
    pub fn add(&mut self, share: f64) {
        self.add_part(share, 1.0);
    }

    /// The same as this part of an observation.
    pub fn add_part(&mut self, share: f64, part: f64) {
        let place = EDGES.partition_point(|edge| *edge <= share);
        if let Some(count) = self.counts.get_mut(place) {
            *count += part;
        }
    }

    pub fn count(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// Those that took the target's time or longer.
    pub(super) fn late(&self) -> Rate {
        self.beyond(TARGET)
    }

    fn beyond(&self, edge: usize) -> Rate {
        let hits = self.counts.iter().skip(edge + 1).sum();
        Rate { count: self.count(), hits, mixed: 0.0 }
    }

    /// The 95th percentile, read between two edges; the last edge where it lies beyond.
    pub(super) fn p95(&self) -> Option<f64> {
        let rank = self.count() * (1.0 - TAIL);
        let (mut below, mut from) = (0.0, 0.0);
        for (count, edge) in self.counts.iter().zip(EDGES) {
            if *count > 0.0 && below + count >= rank {
                return Some(from + (edge - from) * (rank - below) / count);
            }
            below += count;
            from = edge;
        }
        (self.count() > 0.0).then_some(from)
    }

    /// Between which edges it lies. An edge bounds it where the share beyond the edge is certain to be
    /// on one side of five of a hundred.
    fn interval(&self) -> Interval {
        let evidence = |edge: usize, side| {
            betting::money(&self.beyond(edge), side, TAIL, 1.0) >= betting::price(PASS_ERROR)
        };
        let edges = || EDGES.iter().enumerate();
        let low = edges().rev().find(|(edge, _)| evidence(*edge, Side::Above));
        let high = edges().find(|(edge, _)| evidence(*edge, Side::Below));
        Interval { low: low.map_or(0.0, |(_, at)| *at), high: high.map(|(_, at)| *at) }
    }
}

/// Judges a class by its slices, in order of time; figures are in units of its target.
pub(super) fn judge(slices: &[Delays], error: f64) -> Figures {
    let seen = betting::total(slices);
    let late: Vec<Rate> = slices.iter().map(Delays::late).collect();
    Figures {
        estimate: seen.p95(),
        interval: (seen.count() > 0.0).then(|| seen.interval()),
        limit: 1.0,
        ..rate::judge(&late, &RateRule { limit: TAIL, ..RateRule::FIVE_PERCENT }, error)
    }
}
