//! The lane follows the deadline: a Google batch job takes 90 s on a good day and 24 h on a bad
//! one, so only a render that can wait may ride in one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{catalogue::Quality, request::RenderRequest};

/// How a Google-bound render is generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// A shopper waits: generated now, at full price.
    Online,
    /// Can wait: part of a Google batch job, at half price.
    Batch,
}

impl Lane {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Batch => "batch",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The `default-lane` knob: what a request gets that names neither lane nor deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultLane {
    /// By the default deadline.
    #[default]
    Auto,
    Always(Lane),
}

/// What the customer said; all optional, in seconds from acceptance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    pub lane: Option<Lane>,
    pub deadline_seconds: Option<u32>,
    pub give_up_seconds: Option<u32>,
}

impl Wish {
    pub fn of<P>(request: &RenderRequest<P>) -> Self {
        Self {
            lane: request.lane,
            deadline_seconds: request.deadline_seconds,
            give_up_seconds: request.give_up_seconds,
        }
    }
}

/// Deploy-time lane settings, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct LaneRules {
    /// `DEFAULT_DEADLINE_SECONDS`.
    pub default_deadline: u32,
    /// The same for 4K, which takes 1-3 minutes to generate.
    pub default_deadline_4k: u32,
    /// `BATCH_MIN_DEADLINE_SECONDS`: a shorter deadline goes Online.
    pub batch_min_deadline: u32,
    /// `BATCH_DEFAULT_DEADLINE_SECONDS`: when Batch was chosen and no deadline given.
    pub batch_default_deadline: u32,
    /// `RESCUE_LEAD_SECONDS`: how long before its deadline a Batch render is rescued.
    pub rescue_lead: u32,
}

impl Default for LaneRules {
    fn default() -> Self {
        Self {
            default_deadline: 60,
            default_deadline_4k: 300,
            batch_min_deadline: 1_800,
            batch_default_deadline: 86_400,
            rescue_lead: 300,
        }
    }
}

/// The lane with the two times that rule a render's life, in seconds from acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneChoice {
    pub lane: Lane,
    /// What P95 is measured against.
    pub deadline_seconds: u32,
    /// When the render ends whatever happens.
    pub give_up_seconds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    #[error("deadline_seconds must be from 1 to 604800")]
    Deadline,
    #[error("give_up_seconds must be from deadline_seconds ({deadline}) to 691200")]
    GiveUp { deadline: u32 },
    #[error("give_up_seconds must be at least {least} in the batch lane, which cannot be quicker")]
    Impatient { least: u32 },
}

/// A week: nobody waits longer for a picture, and input pictures are deleted then.
const MAX_DEADLINE: u32 = 7 * 86_400;
const MAX_GIVE_UP: u32 = 8 * 86_400;

/// Chooses the lane. Precedence: explicit lane, explicit deadline, `default-lane`, default deadline.
pub fn choose(
    wish: Wish,
    quality: Quality,
    default_lane: DefaultLane,
    rules: &LaneRules,
) -> Result<LaneChoice, LaneError> {
    if wish.deadline_seconds.is_some_and(|d| d == 0 || d > MAX_DEADLINE) {
        return Err(LaneError::Deadline);
    }
    let online_deadline = match quality {
        Quality::FourK => rules.default_deadline_4k,
        Quality::Sd | Quality::Hd => rules.default_deadline,
    };
    let by_deadline = |d: u32| {
        if d < rules.batch_min_deadline { Lane::Online } else { Lane::Batch }
    };
    let lane = match (wish.lane, wish.deadline_seconds, default_lane) {
        (Some(lane), _, _) | (None, None, DefaultLane::Always(lane)) => lane,
        (None, Some(deadline), _) => by_deadline(deadline),
        (None, None, DefaultLane::Auto) => by_deadline(online_deadline),
    };
    let deadline = wish.deadline_seconds.unwrap_or(match lane {
        Lane::Batch => rules.batch_default_deadline,
        Lane::Online => online_deadline,
    });
    let give_up = wish.give_up_seconds.unwrap_or_else(|| default_give_up(lane, deadline));
    if give_up < deadline || give_up > MAX_GIVE_UP {
        return Err(LaneError::GiveUp { deadline });
    }
    if lane == Lane::Batch && give_up < rules.batch_min_deadline {
        return Err(LaneError::Impatient { least: rules.batch_min_deadline });
    }
    Ok(LaneChoice { lane, deadline_seconds: deadline, give_up_seconds: give_up })
}

/// Online: at least ten minutes. Batch: longer than Google's own 24 h target.
fn default_give_up(lane: Lane, deadline: u32) -> u32 {
    match lane {
        Lane::Online => deadline.saturating_mul(2).clamp(600, MAX_GIVE_UP),
        Lane::Batch => deadline.saturating_add(2 * 3_600).max(26 * 3_600),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn choose_with(wish: Wish, default: DefaultLane) -> LaneChoice {
        choose(wish, Quality::Sd, default, &LaneRules::default()).unwrap()
    }

    #[test]
    fn explicit_lane_beats_deadline_beats_default_lane() {
        let long = Wish { deadline_seconds: Some(7_200), ..Wish::default() };
        let both = Wish { lane: Some(Lane::Online), ..long };
        let batch = DefaultLane::Always(Lane::Batch);
        let short = Wish { deadline_seconds: Some(60), ..Wish::default() };
        assert_eq!(choose_with(both, batch).lane, Lane::Online);
        assert_eq!(choose_with(long, DefaultLane::Always(Lane::Online)).lane, Lane::Batch);
        assert_eq!(choose_with(short, batch).lane, Lane::Online);
        assert_eq!(choose_with(Wish::default(), batch).lane, Lane::Batch);
        assert_eq!(choose_with(Wish::default(), DefaultLane::Auto).lane, Lane::Online);
    }

    #[test]
    fn default_times() {
        let online = choose_with(Wish::default(), DefaultLane::Auto);
        assert_eq!((online.deadline_seconds, online.give_up_seconds), (60, 600));
        let batch =
            choose_with(Wish { lane: Some(Lane::Batch), ..Wish::default() }, DefaultLane::Auto);
        assert_eq!((batch.deadline_seconds, batch.give_up_seconds), (86_400, 93_600));
        let rules = LaneRules::default();
        let large = choose(Wish::default(), Quality::FourK, DefaultLane::Auto, &rules).unwrap();
        assert_eq!((large.lane, large.deadline_seconds), (Lane::Online, 300));
    }

    #[test]
    fn the_boundary_is_batch() {
        for (deadline, lane) in [(1_799, Lane::Online), (1_800, Lane::Batch)] {
            let wish = Wish { deadline_seconds: Some(deadline), ..Wish::default() };
            assert_eq!(choose_with(wish, DefaultLane::Auto).lane, lane);
        }
    }

    proptest! {
        #[test]
        fn give_up_is_never_before_the_deadline(
            deadline in proptest::option::of(0..1_000_000u32),
            give_up in proptest::option::of(0..1_000_000u32),
            online in proptest::option::of(any::<bool>()),
        ) {
            let lane = online.map(|o| if o { Lane::Online } else { Lane::Batch });
            let wish = Wish { lane, deadline_seconds: deadline, give_up_seconds: give_up };
            if let Ok(c) = choose(wish, Quality::Hd, DefaultLane::Auto, &LaneRules::default()) {
                prop_assert!(c.give_up_seconds >= c.deadline_seconds);
                prop_assert!(lane.is_none_or(|l| l == c.lane));
            } else {
                let late = give_up.is_some_and(|g| g < deadline.unwrap_or(86_400) || g > MAX_GIVE_UP);
                let bad = deadline.is_some_and(|d| d == 0 || d > MAX_DEADLINE);
                prop_assert!(late || bad);
            }
        }
    }
}
