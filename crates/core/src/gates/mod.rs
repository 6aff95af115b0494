//! The gates of the ramp: whether the evidence so far speaks for the next phase, against the present
//! one, or for neither yet.
//!
//! They are looked at every few minutes, so each test stays valid however often one looks: it is a
//! bet against the claim under test, and the money won measures the evidence (`docs/gates.md` has the
//! formulas and what they were seen to do).

mod betting;
mod cost;
mod evidence;
mod judge;
mod latency;
mod observed;
mod quality;
mod ramp;
mod rate;
mod split;
mod tally;
mod verdict;
mod waiver;

pub use self::{
    cost::Costs,
    evidence::{BudgetDays, Evidence, Ratings, Slice, Users},
    judge::{Report, Rules, judge},
    latency::{Class, Delays, EDGES},
    observed::Observed,
    quality::Stars,
    ramp::{Least, Mode, Move, PERIOD, Phase, Ramp, Why},
    rate::{Rate, RateRule},
    tally::Tally,
    verdict::{Figures, Finding, Gate, Interval, Verdict},
    waiver::{LONGEST, Waiver, WaiverError},
};

#[cfg(test)]
mod tests;
