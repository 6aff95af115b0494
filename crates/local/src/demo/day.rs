//! A slice of a shop's day, as a script: who asks for what, when, and what goes wrong.

use std::time::Duration;

use tryon_core::ports::Random;
use tryon_sandbox::{CallKind, Fault, Faults, Nth, Provider, Rule, When};

use crate::arrivals::{Arrival, within};

/// A wish that the sandbox refuses for its content.
const REFUSED_WISH: &str = "as little as possible";
/// A wish whose row is lost from its batch's answer, once.
const LOST_WISH: &str = "in evening light";
/// A wish that Google never draws, so that `PhotoMaker` does.
const UNDRAWN_WISH: &str = "with a red hat";
/// A wish that `PhotoMaker` does not draw either, so that SDXL does.
const ODD_WISH: &str = "with a paper crown";
/// Who orders the look-book, and who asks while Google is down: both on the Gemini route at 50 %.
const LOOK_BOOK: &str = "look-book";
const UNLUCKY: &str = "shopper-002";
/// When Google is down, after the start.
const OUTAGE: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(660));
/// How long the look-book takes to come in, and the whole slice.
const BURST: Duration = Duration::from_secs(20);
const LENGTH: Duration = Duration::from_secs(1_500);

/// What goes wrong on purpose, in the order in which [`crate::run`] reports it.
pub(super) fn faults() -> Faults {
    let outage = When::provider(Provider::Google).between(OUTAGE.0, OUTAGE.1);
    let undrawn =
        |wish| Rule::new(When::provider(Provider::Google).prompt(wish), Fault::finish("NO_IMAGE"));
    Faults {
        rules: vec![
            Rule::new(outage, Fault::status(503)),
            Rule::new(When::any().prompt(REFUSED_WISH), Fault::refused()),
            Rule::new(
                When::kind(CallKind::Row).prompt(LOST_WISH).nth(Nth::First(1)),
                Fault::MissingRow { billed: true },
            ),
            undrawn(UNDRAWN_WISH),
            undrawn(ODD_WISH),
            Rule::new(
                When::kind(CallKind::Prediction).key("/photo_maker/").prompt(ODD_WISH),
                Fault::EmptyOutput,
            ),
        ],
    }
}

/// The requests of a day with `renders` renders, in order. A look-book comes in at once and can wait;
/// the rest trickles in, two thirds of it from shoppers who wait. Somebody always asks while Google is
/// down.
pub(super) fn arrivals(renders: u32, random: &dyn Random) -> Vec<Arrival> {
    let look_book = (renders * 48 / 100).max(57);
    let mut arrivals: Vec<Arrival> = (0..renders)
        .map(|number| {
            let wish = match number {
                3 => LOST_WISH,
                5 => REFUSED_WISH,
                7 => UNDRAWN_WISH,
                9 => ODD_WISH,
                _ => "",
            };
            let (after, waits, user) = if number < look_book {
                (within(BURST, random), false, Some(LOOK_BOOK))
            } else if number + 1 == renders {
                (OUTAGE.0 + BURST, true, Some(UNLUCKY))
            } else {
                (within(LENGTH, random), !random.next_u64().is_multiple_of(3), None)
            };
            Arrival { after, waits, wish, user, seed: random.next_u64() }
        })
        .collect();
    arrivals.sort_by_key(|arrival| arrival.after);
    arrivals
}

#[cfg(test)]
mod tests {
    use tryon_core::routing::{Bucket, Percent};

    use super::*;
    use crate::{cli::SALT, demo::PERCENT};

    #[test]
    fn the_script_meets_google() {
        for user in [LOOK_BOOK, UNLUCKY] {
            let percent: Percent = PERCENT.parse().unwrap();
            assert!(Bucket::of(SALT, &user.into()).is_below(percent), "{user}");
        }
    }
}
