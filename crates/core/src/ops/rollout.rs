//! `rollout-status`, as far as ops routes go by it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::gates::{Finding, Gate, Mode};

/// What the rollout found when it last looked. It may say more than is read here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RolloutStatus {
    pub findings: Vec<Finding>,
    /// The traffic was sent back, and nobody has let it go again.
    pub rolled_back: bool,
    pub mode: Mode,
    #[serde(flatten)]
    pub more: serde_json::Map<String, Value>,
}

impl RolloutStatus {
    /// The gates that fail and are not waived.
    pub fn failing(&self) -> Vec<Gate> {
        self.findings.iter().filter(|finding| finding.fails()).map(|finding| finding.gate).collect()
    }
}
