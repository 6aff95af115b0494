//! Every few minutes, and whenever an alarm goes off: asks the gates, and moves the ceiling of the
//! traffic.
//!
//! What was decided is a row of the audit before anything is done about it; the ceiling and the event
//! are owed by that row, and made good by whichever run comes next. Two runs that decide at once have
//! the same id for their rows: one of them is kept, and the other looks again.

mod stand;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::try_join3;

use self::stand::Stand;
pub use self::status::RolloutReport;
use super::{Invocation, StageError};
use crate::{
    audit::{Act, AuditEntry},
    budget::{Account, Verdict},
    catalogue::Catalogue,
    gates::{BudgetDays, Evidence, Finding, Gate, Mode, Move, Ramp, Report, Rules, Tally, judge},
    ids::AuditId,
    messages::{RolloutMoved, encode},
    metrics::{GATE_VERDICT, ROLLOUT_MOVES, TRAFFIC_IN_FORCE},
    ports::{
        Announcement, Audit, Bus, Clock, Knobs, Ledger, Observations, PortError, SettingsSource,
        StatusBoard, StatusName,
    },
    routing::Percent,
    settings::Settings,
};

/// Who it is in the audit.
const ACTOR: &str = "rollout";
/// How far back the audit is read for what is still in force, and how many of its entries.
const MEMORY: TimeDelta = TimeDelta::days(400);
const MOST_ACTS: usize = 200;
/// Functions go by the knobs of some seconds ago: what is accepted so soon after a change is not yet
/// of the new percentage.
const SETTLES: TimeDelta = TimeDelta::seconds(60);
/// How often it looks again where another run was first.
const LOOKS: usize = 3;

/// The `rollout` stage.
#[derive(Debug)]
pub struct Rollout {
    pub observations: Arc<dyn Observations>,
    pub audit: Arc<dyn Audit>,
    pub ledger: Arc<dyn Ledger>,
    pub settings: Arc<dyn SettingsSource>,
    pub knobs: Arc<dyn Knobs>,
    pub board: Arc<dyn StatusBoard>,
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
    pub catalogue: Arc<Catalogue>,
    pub mode: Mode,
    pub rules: Rules,
}

impl Rollout {
    /// What it came to.
    pub async fn run(&self, _call: &Invocation) -> Result<Move, StageError> {
        for _ in 0..LOOKS {
            if let Some(step) = self.look().await? {
                return Ok(step);
            }
        }
        Err(StageError::retry("others decide at the same time"))
    }

    /// None where another run was first.
    async fn look(&self) -> Result<Option<Move>, StageError> {
        let now = self.clock.now();
        let (settings, acts, kept) = try_join3(
            self.settings.fresh(),
            self.audit.acts(&Act::STEERING, now - MEMORY, MOST_ACTS),
            self.board.read(StatusName::Rollout),
        )
        .await?;
        let kept = kept.as_deref().and_then(status::read);
        let mut stand = Stand::of(&settings, &acts, kept.as_ref(), self.mode, now);
        // What earlier runs owe.
        if let Some(ceiling) = stand.owed {
            self.turn(ceiling).await?;
            stand.ramp.ceiling = ceiling;
        }
        let (breaker_open, openings) = self.breaker(&settings, &stand, now).await?;
        let evidence = self.evidence(&stand.ramp, openings, now).await?;
        let report = judge(&evidence, &self.rules, &stand.waivers, now);
        let step = stand.ramp.decide(&report, now);
        let entry = entry_of(&stand, step, &report, now)?;
        if let Some(entry) = &entry {
            if !self.audit.record(entry).await? {
                return Ok(None);
            }
            tracing::info!(act = entry.act.kind(), reason = entry.reason, "the rollout moved");
            if let Act::RolledBack { to, .. } | Act::Raised { to, .. } = entry.act {
                self.turn(to).await?;
            }
        }
        // A bus that is away does not keep the traffic up.
        for act in stand.untold.iter().chain(&entry) {
            self.tell(act).await?;
        }
        let told = entry.as_ref().or(stand.newest.as_ref()).map(|act| (act.at, act.id.clone()));
        let after = stand.ramp.after(step, now);
        let status = RolloutReport::new(&after, step, &report, now).keeping(
            told,
            breaker_open,
            if after.since == stand.ramp.since { openings } else { 0 },
        );
        self.board.post(StatusName::Rollout, &status.text()?).await?;
        count(step, &report, after.in_force());
        Ok(Some(step))
    }

    async fn turn(&self, ceiling: Percent) -> Result<(), PortError> {
        self.knobs.turn("traffic-ceiling", &ceiling.to_string()).await
    }

    /// Whether the day's money is spent, and how often it was found spent since the evidence begins.
    async fn breaker(
        &self,
        settings: &Settings,
        stand: &Stand,
        now: DateTime<Utc>,
    ) -> Result<(bool, u64), PortError> {
        let today = now.date_naive();
        let balance = self.ledger.balance(Account::Google, today).await?;
        let price = self.catalogue.cheapest(Account::Google, today).unwrap_or_default();
        let budget = settings.daily_budget_of(Account::Google);
        let open = balance.judge(price, budget) == Verdict::Open;
        let opened = open && !stand.breaker_open;
        Ok((open, stand.openings.saturating_add(opened.into())))
    }

    async fn evidence(
        &self,
        ramp: &Ramp,
        openings: u64,
        now: DateTime<Utc>,
    ) -> Result<Evidence, PortError> {
        let since = ramp.evidence_since(now) + SETTLES;
        let mut tally = Tally::new(self.rules, now);
        let in_force = ramp.in_force();
        let days = (now.date_naive() - since.date_naive()).num_days().saturating_add(1);
        let mut budget = BudgetDays { days: days.try_into().unwrap_or_default(), open: openings };
        if in_force == Percent::ZERO || since > now {
            budget = BudgetDays::default();
        } else {
            tally = self.observations.observe(since, tally).await?;
        }
        Ok(tally.evidence(since, in_force, budget))
    }

    /// Tells what was recorded; the same entry the same way.
    async fn tell(&self, entry: &AuditEntry) -> Result<(), StageError> {
        let Some(moved) = RolloutMoved::of(entry) else { return Ok(()) };
        let detail = encode(&moved).map_err(StageError::reject)?;
        let event = Announcement { source: ACTOR, detail_type: moved.name(), detail };
        Ok(self.bus.publish(vec![event]).await?)
    }
}

/// What is to be recorded of a step. There is one row for each beginning of the evidence and what
/// follows from it, whichever run writes it.
fn entry_of(
    stand: &Stand,
    step: Move,
    report: &Report,
    now: DateTime<Utc>,
) -> Result<Option<AuditEntry>, StageError> {
    let ramp = &stand.ramp;
    let (act, kind) = match step {
        Move::Hold { .. } => return Ok(None),
        Move::Ready { .. } if stand.ready => return Ok(None),
        Move::Ready { next } => (Act::Ready { next }, "ready"),
        Move::Raise { next } => (Act::Raised { from: ramp.ceiling, to: next.percent() }, "move"),
        Move::RollBack { to, because } => {
            let (from, to) = (ramp.in_force(), to.percent());
            (Act::RolledBack { from, to, because }, "move")
        }
    };
    let id = AuditId::new(format!("{ACTOR}/{kind}/{}", ramp.since.timestamp_millis()));
    let reason = status::says(step, report);
    let evidence = status::evidence(report);
    let entry = AuditEntry::new(id, now, ACTOR, act, &reason, evidence);
    entry.map(Some).map_err(StageError::reject)
}

fn count(step: Move, report: &Report, in_force: Percent) {
    ROLLOUT_MOVES.count([step.kind()], 1);
    TRAFFIC_IN_FORCE.show([], f64::from(in_force.basis_points()) / 100.0);
    for Finding { gate, figures, .. } in &report.findings {
        let gate: Gate = *gate;
        GATE_VERDICT.show([gate.as_str()], f64::from(figures.verdict as u8));
    }
}
