//! Whether ops may set the traffic so.

use serde::{Deserialize, Serialize};

use super::RolloutStatus;
use crate::{
    gates::{Gate, Mode, Phase},
    routing::Percent,
    settings::Settings,
};

/// Where the traffic stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// `enable-gemini-batch`.
    pub enabled: bool,
    pub traffic_percent: Percent,
    pub traffic_ceiling: Percent,
    /// The lower of the two, or nothing where the route is closed.
    pub in_force: Percent,
    /// Sent back by the rollout; to be let go again with a reason.
    pub rolled_back: bool,
    pub mode: Mode,
    /// The gates that fail and are not waived.
    pub failing: Vec<Gate>,
}

/// What ops wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub percent: Percent,
    pub reason: Option<String>,
    /// Though a gate fails.
    pub force: bool,
}

/// What is to be written, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub from: Percent,
    pub to: Percent,
    /// The ceiling with what it becomes, where it changes, too.
    pub ceiling: Option<(Percent, Percent)>,
    pub reason: String,
}

/// Why the traffic stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a gate fails ({}): force it with a reason, or waive the gate", names(.0))]
    Gate(Vec<Gate>),
    #[error("say why: the reason is kept")]
    Reason,
}

impl Standing {
    pub fn of(settings: &Settings, rollout: Option<&RolloutStatus>) -> Self {
        let (percent, ceiling) = (settings.traffic_percent, settings.traffic_ceiling);
        let in_force =
            if settings.enable_gemini_batch { percent.min(ceiling) } else { Percent::ZERO };
        Self {
            enabled: settings.enable_gemini_batch,
            traffic_percent: percent,
            traffic_ceiling: ceiling,
            in_force,
            // Where nothing is known, a lowered ceiling is one that somebody meant.
            rolled_back: rollout.map_or(ceiling < Percent::FULL, |status| status.rolled_back),
            mode: rollout.map_or(Mode::Manual, |status| status.mode),
            failing: rollout.map(RolloutStatus::failing).unwrap_or_default(),
        }
    }

    /// Less is always possible, and at once. More is refused while a gate fails, unless it is forced.
    /// A ceiling in the way is lifted as far as the wish goes, not beyond; unless the rollout is on
    /// its way up by itself: then it goes on from what is in force, or begins with its first phase,
    /// however much was wished. After a roll-back a wish with a reason lets the ceiling go, also where it is
    /// high enough already.
    pub fn decide(&self, wish: &Wish) -> Result<Change, Refusal> {
        let (from, to) = (self.traffic_percent, wish.percent);
        let reason = wish.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        let raises = to > from.min(self.traffic_ceiling);
        if raises && !self.failing.is_empty() {
            if !wish.force {
                return Err(Refusal::Gate(self.failing.clone()));
            }
            reason.ok_or(Refusal::Reason)?;
        }
        let by_itself = self.mode == Mode::Automatic && !self.rolled_back;
        let lower = from.min(self.traffic_ceiling);
        let begins = by_itself && raises && lower == Percent::ZERO;
        // A ceiling that ops left open would let all of it through at once.
        let steps = by_itself && raises && self.traffic_ceiling > lower;
        let lifts = to > self.traffic_ceiling && !by_itself;
        let lets_go = self.rolled_back && reason.is_some() && to >= self.traffic_ceiling;
        if lifts && self.rolled_back {
            reason.ok_or(Refusal::Reason)?;
        }
        let first = lower.max(Phase::Ten.percent());
        let ceiling = match (begins, steps) {
            (true, _) => to.min(first),
            (false, true) => to.min(first).min(self.traffic_ceiling),
            (false, false) => to,
        };
        let changes = (begins || steps || lifts) && ceiling != self.traffic_ceiling || lets_go;
        Ok(Change {
            from,
            to,
            ceiling: changes.then_some((self.traffic_ceiling, ceiling)),
            reason: reason.unwrap_or("none given").to_owned(),
        })
    }
}

fn names(gates: &[Gate]) -> String {
    gates.iter().map(|gate| gate.as_str()).collect::<Vec<_>>().join(", ")
}
