//! What ops and the rollout did to the system, by whom, and why.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    gates::{Gate, Phase},
    ids::AuditId,
    routing::Percent,
};

/// The most that an entry's evidence may weigh, as JSON text.
pub const MAX_EVIDENCE: usize = 4_096;
/// The most characters of a reason.
pub const MAX_REASON: usize = 500;

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Who records the same thing twice gives it the same id.
    pub id: AuditId,
    pub at: DateTime<Utc>,
    /// Who did it: a caller of the ops routes, or a function of ours.
    pub actor: String,
    pub act: Act,
    pub reason: String,
    /// What was known then.
    pub evidence: Value,
}

/// What was done, and what it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Act {
    /// Ops set `traffic-percent`.
    TrafficSet { from: Percent, to: Percent },
    /// Ops set `traffic-ceiling`, such as after a roll-back.
    CeilingSet { from: Percent, to: Percent },
    /// Ops leave a gate out until then; a time that is over ends an earlier waiver.
    Waived { gate: Gate, until: DateTime<Utc> },
    /// What there was of a user is erased.
    Forgotten,
    /// Dead letters are on their way once more.
    Redriven,
    /// The rollout lowered the ceiling.
    RolledBack { from: Percent, to: Percent, because: Gate },
    /// The rollout found everything ready for the next phase.
    Ready { next: Phase },
    /// The rollout raised the ceiling.
    Raised { from: Percent, to: Percent },
}

impl Act {
    /// The kinds that the rollout goes by.
    pub const STEERING: [&'static str; 6] =
        ["traffic_set", "ceiling_set", "waived", "rolled_back", "ready", "raised"];

    pub const fn kind(&self) -> &'static str {
        match self {
            Self::TrafficSet { .. } => "traffic_set",
            Self::CeilingSet { .. } => "ceiling_set",
            Self::Waived { .. } => "waived",
            Self::Forgotten => "forgotten",
            Self::Redriven => "redriven",
            Self::RolledBack { .. } => "rolled_back",
            Self::Ready { .. } => "ready",
            Self::Raised { .. } => "raised",
        }
    }
}

/// Why an entry cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    #[error("say why, in 500 characters at most: the reason is kept")]
    Reason,
    #[error("the evidence weighs more than 4 KB")]
    Evidence,
}

impl AuditEntry {
    pub fn new(
        id: AuditId,
        at: DateTime<Utc>,
        actor: &str,
        act: Act,
        reason: &str,
        evidence: Value,
    ) -> Result<Self, AuditError> {
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > MAX_REASON {
            return Err(AuditError::Reason);
        }
        if evidence.to_string().len() > MAX_EVIDENCE {
            return Err(AuditError::Evidence);
        }
        let (actor, reason) = (actor.to_owned(), reason.to_owned());
        Ok(Self { id, at, actor, act, reason, evidence })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_say_why_and_stay_small() {
        let entry = |reason: &str, evidence| {
            let act = Act::TrafficSet { from: Percent::ZERO, to: Percent::FULL };
            AuditEntry::new("1".into(), DateTime::UNIX_EPOCH, "ops", act, reason, evidence)
        };
        assert_eq!(entry(" ", json!({})), Err(AuditError::Reason));
        assert_eq!(entry(&"x".repeat(501), json!({})), Err(AuditError::Reason));
        assert_eq!(entry("x", json!("y".repeat(4_095))), Err(AuditError::Evidence));
        let kept = entry(" because ", json!("y".repeat(4_094))).unwrap();
        assert_eq!(kept.reason, "because");
        let text = serde_json::to_string(&kept.act).unwrap();
        assert_eq!(text, r#"{"kind":"traffic_set","from":"0","to":"100"}"#);
        assert_eq!(serde_json::from_str::<Act>(&text).unwrap(), kept.act);
    }

    #[test]
    fn kinds_are_what_is_written() {
        let percent = Percent::ZERO;
        for act in [
            Act::TrafficSet { from: percent, to: percent },
            Act::CeilingSet { from: percent, to: percent },
            Act::Waived { gate: Gate::Cost, until: DateTime::UNIX_EPOCH },
            Act::Forgotten,
            Act::Redriven,
            Act::RolledBack { from: percent, to: percent, because: Gate::Cost },
            Act::Ready { next: Phase::Ten },
            Act::Raised { from: percent, to: percent },
        ] {
            assert_eq!(serde_json::to_value(&act).unwrap()["kind"], act.kind());
        }
    }
}
