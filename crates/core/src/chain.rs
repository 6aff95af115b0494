//! The fallback chain, as data: which steps a route may take, in which order, and what each one
//! cannot see of a request.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{outcome::FailClass, routing::Route};

/// One step of a render's way to a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Gemini,
    NanoBanana,
    PhotoMaker,
    Sdxl,
    Upscale,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Gemini => "gemini",
            Self::NanoBanana => "nano_banana",
            Self::PhotoMaker => "photo_maker",
            Self::Sdxl => "sdxl",
            Self::Upscale => "upscale",
        })
    }
}

/// How true a picture is to the garment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fidelity {
    /// The model saw the garment photos.
    Exact,
    /// The model knew the garment from words alone.
    Described,
}

impl Step {
    /// `PhotoMaker` takes photos of one person's face only, and SDXL one start image: neither can be
    /// shown a garment, which it gets in words.
    pub const fn fidelity(self) -> Fidelity {
        match self {
            Self::Gemini | Self::NanoBanana | Self::Upscale => Fidelity::Exact,
            Self::PhotoMaker | Self::Sdxl => Fidelity::Described,
        }
    }

    /// How many tries a step gets in all after failures of this class.
    pub const fn tries(self, class: FailClass) -> u32 {
        match class {
            FailClass::Provider | FailClass::Missing => 3,
            FailClass::NoImage => match self {
                Self::Gemini => 2,
                Self::NanoBanana | Self::PhotoMaker | Self::Sdxl | Self::Upscale => 1,
            },
            FailClass::Unknown
            | FailClass::Invalid
            | FailClass::Account
            | FailClass::Cancelled
            | FailClass::Expired
            | FailClass::Deferred
            | FailClass::Unfunded => 1,
        }
    }
}

/// The whole chain of a route.
pub const fn steps(route: Route) -> &'static [Step] {
    match route {
        Route::Gemini => &[Step::Gemini, Step::PhotoMaker, Step::Sdxl],
        Route::Legacy => &[Step::NanoBanana, Step::PhotoMaker, Step::Sdxl],
    }
}

/// The step after `current`. `available` is what this deployment can run; a `described` step is
/// skipped where the shop declined such pictures.
pub fn next_step(
    route: Route,
    current: Step,
    accept_described: bool,
    available: &[Step],
) -> Option<Step> {
    steps(route)
        .iter()
        .copied()
        .skip_while(|step| *step != current)
        .skip(1)
        .filter(|step| available.contains(step))
        .find(|step| accept_described || step.fidelity() == Fidelity::Exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[Step] =
        &[Step::Gemini, Step::NanoBanana, Step::PhotoMaker, Step::Sdxl, Step::Upscale];

    #[test]
    fn google_failures_skip_nano_banana() {
        let walk = |route, from| next_step(route, from, true, ALL);
        assert_eq!(walk(Route::Gemini, Step::Gemini), Some(Step::PhotoMaker));
        assert_eq!(walk(Route::Legacy, Step::NanoBanana), Some(Step::PhotoMaker));
        assert_eq!(walk(Route::Legacy, Step::PhotoMaker), Some(Step::Sdxl));
        assert_eq!(walk(Route::Gemini, Step::Sdxl), None);
    }

    #[test]
    fn described_steps_are_declined_and_absent_ones_skipped() {
        assert_eq!(next_step(Route::Gemini, Step::Gemini, false, ALL), None);
        assert_eq!(next_step(Route::Gemini, Step::Gemini, true, &[Step::Gemini]), None);
        let no_face = [Step::Gemini, Step::Sdxl];
        assert_eq!(next_step(Route::Gemini, Step::Gemini, true, &no_face), Some(Step::Sdxl));
    }
}
