//! A slice of a shop's day, as a script: who asks for what, when, and what goes wrong at Google.

use std::time::Duration;

use tryon_core::ports::Random;
use tryon_sandbox::{CallKind, Fault, Faults, Nth, Rule, When};

use crate::arrivals::{Arrival, within};

/// A wish that the sandbox refuses for its content.
const REFUSED_WISH: &str = "as little as possible";
/// A wish whose row is lost from its batch's answer, once.
const LOST_WISH: &str = "in evening light";
/// When Google is down, after the start.
const OUTAGE: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(660));
/// How long the look-book takes to come in, and the whole slice.
const BURST: Duration = Duration::from_secs(20);
const LENGTH: Duration = Duration::from_secs(1_500);

/// What goes wrong on purpose, in the order in which [`crate::run`] reports it.
pub(super) fn faults() -> Faults {
    let outage = When::any().between(OUTAGE.0, OUTAGE.1);
    Faults {
        rules: vec![
            Rule::new(outage, Fault::status(503)),
            Rule::new(When::any().prompt(REFUSED_WISH), Fault::refused()),
            Rule::new(
                When::kind(CallKind::Row).prompt(LOST_WISH).nth(Nth::First(1)),
                Fault::MissingRow { billed: true },
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
                _ => "",
            };
            let (after, waits) = if number < look_book {
                (within(BURST, random), false)
            } else if number + 1 == renders {
                (OUTAGE.0 + BURST, true)
            } else {
                (within(LENGTH, random), !random.next_u64().is_multiple_of(3))
            };
            Arrival { after, waits, wish, seed: random.next_u64() }
        })
        .collect();
    arrivals.sort_by_key(|arrival| arrival.after);
    arrivals
}
