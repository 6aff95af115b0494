//! Whether the split is what it should be. Where users are missing on one side, or are there twice,
//! the two routes no longer have like customers, and nothing that compares them holds.

use super::{
    betting::{self, Sample, Side},
    evidence::Users,
    rate::Rate,
    verdict::{Figures, Verdict},
};
use crate::routing::Percent;

/// The chance that a sound split is called broken, ever.
const ERROR: f64 = 0.001;
/// With fewer users it is not called sound.
const ENOUGH: u64 = 100;

/// Judges the split; none where nobody is split.
pub(super) fn judge(users: &Users) -> Option<Figures> {
    if users.percent == Percent::ZERO || users.percent == Percent::FULL {
        return None;
    }
    let expected = f64::from(users.percent.basis_points()) / 10_000.0;
    let count = users.gemini.saturating_add(users.legacy);
    let seen = Rate::of(count, users.gemini);
    let broken = [Side::Above, Side::Below]
        .into_iter()
        .any(|side| betting::money(&seen, side, expected, 1.0) >= betting::price(ERROR / 2.0));
    Some(Figures {
        verdict: Verdict::of(count > 0, broken, || count >= ENOUGH),
        estimate: seen.mean(),
        interval: betting::interval(&seen),
        limit: expected,
        count,
        needed: Some(ENOUGH),
    })
}
