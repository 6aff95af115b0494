//! The fallback chain, as data: which steps a route may take, in which order, and what each one
//! cannot see of a request.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{budget::Account, outcome::FailClass, routing::Route, settings::WhenBudgetExhausted};

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
        f.pad(self.as_str())
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
    pub const ALL: [Self; 5] =
        [Self::Gemini, Self::NanoBanana, Self::PhotoMaker, Self::Sdxl, Self::Upscale];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gemini => "gemini",
            Self::NanoBanana => "nano_banana",
            Self::PhotoMaker => "photo_maker",
            Self::Sdxl => "sdxl",
            Self::Upscale => "upscale",
        }
    }

    /// Whose money pays for it.
    pub const fn account(self) -> Account {
        match self {
            Self::Gemini => Account::Google,
            Self::NanoBanana | Self::PhotoMaker | Self::Sdxl | Self::Upscale => Account::Replicate,
        }
    }

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
            FailClass::Provider => 3,
            FailClass::Missing => match self {
                Self::Gemini => 3,
                // It was made, and paid for.
                Self::NanoBanana | Self::PhotoMaker | Self::Sdxl | Self::Upscale => 1,
            },
            FailClass::Platform => 2,
            FailClass::NoImage | FailClass::Exhausted => match self {
                Self::Gemini => 2,
                Self::NanoBanana | Self::PhotoMaker | Self::Sdxl | Self::Upscale => 1,
            },
            FailClass::Unknown
            | FailClass::Invalid
            | FailClass::Account
            | FailClass::Setup
            | FailClass::Retired
            | FailClass::Cancelled
            | FailClass::Expired
            | FailClass::Deferred
            | FailClass::Unfunded
            | FailClass::Diverted => 1,
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
    steps_after(route, current, accept_described, available).next()
}

/// Every step after `current`, in order.
pub fn steps_after(
    route: Route,
    current: Step,
    accept_described: bool,
    available: &[Step],
) -> impl Iterator<Item = Step> {
    steps(route)
        .iter()
        .copied()
        .skip_while(move |step| *step != current)
        .skip(1)
        .filter(|step| available.contains(step))
        .filter(move |step| accept_described || step.fidelity() == Fidelity::Exact)
}

/// Why a new render cannot begin anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEntrance {
    /// This deployment cannot run the route.
    Closed,
    /// The day's money is spent wherever it could go.
    Unfunded,
}

/// Where a new render begins: at its own route's first step while there is money for it, else where
/// `when` sends a Google-bound render on such a day. `funded` says whether an account has money left.
/// While Google is not `well`, a render for it begins at the legacy route, or later on its own; only
/// where it can go nowhere else does it wait at Google's door.
pub fn entrance(
    assigned: Route,
    accept_described: bool,
    available: &[Step],
    when: WhenBudgetExhausted,
    well: bool,
    funded: impl Fn(Account) -> bool,
) -> Result<(Route, Step), NoEntrance> {
    let first = steps(assigned)[0];
    if !available.contains(&first) {
        return Err(NoEntrance::Closed);
    }
    let open = |step: &Step| available.contains(step) && funded(step.account());
    if assigned == Route::Gemini && !well {
        let legacy = Some((Route::Legacy, Step::NanoBanana)).filter(|(_, step)| open(step));
        let mut after = steps_after(assigned, first, accept_described, available);
        if let Some(elsewhere) = legacy.or_else(|| Some((assigned, after.find(open)?))) {
            return Ok(elsewhere);
        }
    }
    if funded(first.account()) {
        return Ok((assigned, first));
    }
    let instead = match (assigned, when) {
        (Route::Legacy, _) | (Route::Gemini, WhenBudgetExhausted::Reject) => None,
        (Route::Gemini, WhenBudgetExhausted::Legacy) if available.contains(&Step::NanoBanana) => {
            Some(Step::NanoBanana).filter(open).map(|step| (Route::Legacy, step))
        }
        (Route::Gemini, WhenBudgetExhausted::Legacy | WhenBudgetExhausted::Fallback) => {
            let mut after = steps_after(assigned, first, accept_described, available);
            after.find(open).map(|step| (assigned, step))
        }
    };
    instead.ok_or(NoEntrance::Unfunded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn google_failures_skip_nano_banana() {
        let walk = |route, from| next_step(route, from, true, &Step::ALL);
        assert_eq!(walk(Route::Gemini, Step::Gemini), Some(Step::PhotoMaker));
        assert_eq!(walk(Route::Legacy, Step::NanoBanana), Some(Step::PhotoMaker));
        assert_eq!(walk(Route::Legacy, Step::PhotoMaker), Some(Step::Sdxl));
        assert_eq!(walk(Route::Gemini, Step::Sdxl), None);
    }

    #[test]
    fn described_steps_are_declined_and_absent_ones_skipped() {
        assert_eq!(next_step(Route::Gemini, Step::Gemini, false, &Step::ALL), None);
        assert_eq!(next_step(Route::Gemini, Step::Gemini, true, &[Step::Gemini]), None);
        let no_face = [Step::Gemini, Step::Sdxl];
        assert_eq!(next_step(Route::Gemini, Step::Gemini, true, &no_face), Some(Step::Sdxl));
    }

    #[test]
    fn a_render_begins_where_there_is_money() {
        use WhenBudgetExhausted::{Fallback, Legacy, Reject};
        let both = |_: Account| true;
        let replicate = |account| account == Account::Replicate;
        let none = |_: Account| false;
        let begin = |route, described, when, funded: &dyn Fn(Account) -> bool| {
            entrance(route, described, &Step::ALL, when, true, funded)
        };
        let (google, legacy) = (Route::Gemini, Route::Legacy);
        for when in [Fallback, Legacy, Reject] {
            assert_eq!(begin(google, true, when, &both), Ok((google, Step::Gemini)));
            assert_eq!(begin(legacy, true, when, &replicate), Ok((legacy, Step::NanoBanana)));
            for route in [google, legacy] {
                assert_eq!(begin(route, true, when, &none), Err(NoEntrance::Unfunded));
            }
        }
        assert_eq!(begin(google, true, Fallback, &replicate), Ok((google, Step::PhotoMaker)));
        assert_eq!(begin(google, false, Fallback, &replicate), Err(NoEntrance::Unfunded));
        assert_eq!(begin(google, false, Legacy, &replicate), Ok((legacy, Step::NanoBanana)));
        assert_eq!(begin(google, true, Reject, &replicate), Err(NoEntrance::Unfunded));
        let google_alone = entrance(legacy, true, &[Step::Gemini], Fallback, true, both);
        assert_eq!(google_alone, Err(NoEntrance::Closed));
    }

    #[test]
    fn while_google_is_not_well_a_render_begins_elsewhere() {
        use WhenBudgetExhausted::{Fallback, Reject};
        let begin = |route, described, available: &[Step], funded: &dyn Fn(Account) -> bool| {
            entrance(route, described, available, Fallback, false, funded)
        };
        let (google, legacy) = (Route::Gemini, Route::Legacy);
        let both = |_: Account| true;
        let only_google = |account| account == Account::Google;
        assert_eq!(begin(google, true, &Step::ALL, &both), Ok((legacy, Step::NanoBanana)));
        assert_eq!(begin(legacy, true, &Step::ALL, &both), Ok((legacy, Step::NanoBanana)));
        let no_legacy = [Step::Gemini, Step::PhotoMaker];
        assert_eq!(begin(google, true, &no_legacy, &both), Ok((google, Step::PhotoMaker)));
        // Nowhere to go: at Google's door it may still be let in.
        assert_eq!(begin(google, false, &no_legacy, &both), Ok((google, Step::Gemini)));
        assert_eq!(begin(google, true, &Step::ALL, &only_google), Ok((google, Step::Gemini)));
        let nothing = entrance(google, true, &Step::ALL, Reject, false, |_| false);
        assert_eq!(nothing, Err(NoEntrance::Unfunded));
    }
}
