//! How long a prediction waits and runs. Drawn from the seed and its input, so that it does not
//! depend on what came before.

use std::time::Duration;

use tryon_core::catalogue::Size;

use super::sheet::Sheet;
use crate::{Latency, app::App, lots, lots::Hash};

/// One in so many finds its model asleep.
const ASLEEP: u64 = 10;
/// Seconds until a model that slept is awake, and until one that is awake begins.
const COLD: (f64, f64) = (60.0, 120.0);
const WARM: (f64, f64) = (0.1, 1.5);
/// Seconds for a drawing of 4K.
const LARGE: (f64, f64) = (60.0, 180.0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) wait: Duration,
    pub(super) run: Duration,
}

impl Times {
    pub(super) fn of(app: &App, sheet: &Sheet, size: Option<Size>, about: &Hash) -> Self {
        let seed = app.config.seed;
        let by = match app.config.latency {
            Latency::Documented => 1.0,
            Latency::Scaled(by) => by,
            Latency::Fixed(run) => return Self { wait: Duration::ZERO, run },
            Latency::None => return Self { wait: Duration::ZERO, run: Duration::ZERO },
        };
        let asleep = sheet.sleeps && lots::draw(seed, "asleep", about).is_multiple_of(ASLEEP);
        let wait = if asleep { COLD } else { WARM };
        let run = if size == Some(Size::FourK) { LARGE } else { sheet.run };
        // Squared: most come near the lower end.
        let within = |purpose: &str, (least, most): (f64, f64)| {
            let seconds = least + (most - least) * lots::unit(seed, purpose, about).powi(2);
            milliseconds(Duration::try_from_secs_f64(seconds * by).unwrap_or_default())
        };
        Self { wait: within("start", wait), run: within("run", run) }
    }

    /// The run of a model that gave up part of the way.
    pub(super) fn broken_off(self, seed: u64, about: &Hash) -> Self {
        let part = 0.1 + 0.9 * lots::unit(seed, "broken off", about);
        Self { run: milliseconds(self.run.mul_f64(part)), ..self }
    }
}

/// Whole milliseconds: what is told is what is billed.
pub(super) fn milliseconds(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
