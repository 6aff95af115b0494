//! What ops may see and do, beside the knobs in Parameter Store. Whatever changes something is
//! recorded before it is done.

mod forget;
mod look;

use std::{fmt::Display, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Router;
use crate::{
    audit::{Act, AuditEntry, AuditError},
    gates::{Gate, Waiver, WaiverError},
    ids::AuditId,
    ops::{Change, Refusal, RolloutStatus, Standing, Wish},
    ports::{Attempts, Audit, Knobs, PortError, QueueName, Redrive, StatusBoard, StatusName},
    settings::KNOBS,
};

/// The `ops` part of the router.
#[derive(Debug)]
pub struct Ops {
    pub router: Arc<Router>,
    pub attempts: Arc<dyn Attempts>,
    pub board: Arc<dyn StatusBoard>,
    pub knobs: Arc<dyn Knobs>,
    pub audit: Arc<dyn Audit>,
    pub redrive: Arc<dyn Redrive>,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpsError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Waiver(#[from] WaiverError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Port(#[from] PortError),
}

/// What ops wish to leave out, and until when; a time that is over ends an earlier waiver.
#[derive(Clone, Debug)]
pub struct NewWaiver {
    pub gate: Gate,
    pub reason: String,
    pub until: DateTime<Utc>,
}

impl Ops {
    /// Where the traffic stands.
    pub async fn traffic(&self) -> Result<Standing, PortError> {
        let (settings, rollout) = (self.router.settings.settings().await, self.rollout().await?);
        Ok(Standing::of(&settings, rollout.as_ref()))
    }

    /// Sets `traffic-percent`, and lifts the ceiling where it is in the way; how the traffic stands
    /// then, once caches have run out.
    pub async fn set_traffic(&self, actor: &str, wish: &Wish) -> Result<Standing, OpsError> {
        // What was turned a moment ago counts, too: past the cache.
        let settings = self.router.settings.fresh().await?;
        let lower = settings.traffic_percent.min(settings.traffic_ceiling);
        let rollout = match self.rollout().await {
            // Less is always possible, whatever became of the status.
            Err(error) if wish.percent <= lower => {
                tracing::warn!(%error, "rollout-status cannot be read");
                None
            }
            rollout => rollout?,
        };
        let standing = Standing::of(&settings, rollout.as_ref());
        let change = standing.decide(wish)?;
        let known = json!({
            "in_force": standing.in_force,
            "failing": standing.failing,
            "rolled_back": standing.rolled_back,
            "forced": wish.force,
        });
        let Change { from, to, ceiling, reason } = change;
        let mut after = Standing { traffic_percent: to, ..standing };
        // The lower of the two counts: what goes down goes first.
        if let Some((from, to)) = ceiling {
            let act = Act::CeilingSet { from, to };
            self.record(actor, act, &reason, known.clone()).await?;
            if to < from {
                self.turn("traffic-ceiling", to).await?;
            }
            (after.traffic_ceiling, after.rolled_back) = (to, false);
        }
        let act = Act::TrafficSet { from, to };
        self.record(actor, act, &reason, known).await?;
        self.turn("traffic-percent", to).await?;
        if let Some((_, to)) = ceiling.filter(|(from, to)| to > from) {
            self.turn("traffic-ceiling", to).await?;
        }
        let lower = after.traffic_percent.min(after.traffic_ceiling);
        after.in_force = if after.enabled { lower } else { after.in_force };
        Ok(after)
    }

    /// What the rollout found when it last looked.
    pub async fn rollout(&self) -> Result<Option<RolloutStatus>, PortError> {
        let Some(text) = self.board.read(StatusName::Rollout).await? else { return Ok(None) };
        let unread = |error| PortError::Unavailable(format!("rollout-status: {error}"));
        serde_json::from_str(&text).map(Some).map_err(unread)
    }

    /// Leaves a gate out until then.
    pub async fn waive(&self, actor: &str, new: &NewWaiver) -> Result<Waiver, OpsError> {
        let now = self.router.clock.now();
        let NewWaiver { gate, reason, until } = new;
        let waiver = if *until > now {
            Waiver::new(*gate, reason, actor, now, *until)?
        } else {
            let (reason, by) = (reason.trim().to_owned(), actor.to_owned());
            Waiver { gate: *gate, reason, by, at: now, until: *until }
        };
        let act = Act::Waived { gate: *gate, until: *until };
        self.record(actor, act, reason, Value::Null).await?;
        Ok(waiver)
    }

    /// Sends what was put aside from a queue there again; how many messages, about.
    pub async fn redrive(&self, actor: &str, queue: QueueName) -> Result<u64, OpsError> {
        let backlogs = self.router.backlogs.backlogs().await?;
        let dead = backlogs.iter().find(|backlog| backlog.queue == queue).map(|b| b.dead);
        let known = json!({"queue": queue.as_str(), "messages": dead});
        self.record(actor, Act::Redriven, "sent again", known).await?;
        Ok(self.redrive.redrive(queue).await?)
    }

    async fn turn(&self, name: &'static str, to: impl Display) -> Result<(), PortError> {
        let known = KNOBS.iter().any(|knob| knob.name == name);
        debug_assert!(known, "{name} is no knob");
        self.knobs.turn(name, &to.to_string()).await
    }

    /// Keeps who does what, and why; the id of the entry.
    async fn record(
        &self,
        actor: &str,
        act: Act,
        reason: &str,
        evidence: Value,
    ) -> Result<AuditId, OpsError> {
        let now = self.router.clock.now();
        let id = AuditId::generate(self.router.random.as_ref(), now);
        let entry = AuditEntry::new(id.clone(), now, actor, act, reason, evidence)?;
        tracing::info!(actor, act = entry.act.kind(), reason, "ops");
        self.audit.record(&entry).await?;
        Ok(id)
    }
}
