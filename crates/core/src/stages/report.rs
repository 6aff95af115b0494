//! How the day's money and the queues stand, once a minute: as numbers for alarms, and as a status
//! for ops.

use std::sync::Arc;

use futures_util::future::{join_all, join3};

use super::LiveCatalogue;
use crate::{
    budget::{Account, Balance, Verdict},
    metrics::{
        BREAKER_OPEN, BUDGET_COMMITTED, BUDGET_HELD, BUDGET_RESERVED, BUDGET_SETTLED,
        CATALOGUE_REFUSED, DEAD_LETTERS, MODEL_RETIRED, MODEL_RETIRES_DAYS, MODELS_RETIRE_DAYS,
        MODELS_RETIRED, PROVIDER_BREAKER_OPEN, QUEUE_MESSAGES,
    },
    money::Micros,
    ops::BudgetStatus,
    ports::{
        Backlog, Backlogs, Clock, Ledger, PortError, ProviderHealth, SettingsSource, StatusBoard,
        StatusName,
    },
};

/// How long before a model's last day it is warned of each minute.
const WARN_DAYS: i64 = 30;

/// The reporting duty of the reconciler.
#[derive(Clone, Debug)]
pub struct Report {
    pub ledger: Arc<dyn Ledger>,
    pub backlogs: Arc<dyn Backlogs>,
    pub settings: Arc<dyn SettingsSource>,
    pub board: Arc<dyn StatusBoard>,
    pub health: Arc<dyn ProviderHealth>,
    pub clock: Arc<dyn Clock>,
    pub catalogue: Arc<LiveCatalogue>,
}

impl Report {
    pub async fn run(&self) -> Result<(), PortError> {
        self.models().await;
        // Each is told, whatever becomes of the others.
        let (money, queues, backends) = join3(self.money(), self.queues(), self.backends()).await;
        money.and(queues).and(backends)
    }

    async fn backends(&self) -> Result<(), PortError> {
        let now = self.clock.now();
        let backends = self.catalogue.now().backends();
        let reads = backends.iter().map(|backend| self.health.read((*backend).into(), now));
        for (backend, vitals) in backends.iter().zip(join_all(reads).await) {
            let open = f64::from(u8::from(vitals?.gate(now).is_shut()));
            PROVIDER_BREAKER_OPEN.show([backend.as_str()], open);
        }
        Ok(())
    }

    async fn money(&self) -> Result<(), PortError> {
        let at = self.clock.now();
        let date = at.date_naive();
        let settings = self.settings.settings().await;
        let balances = self.ledger.balances(date).await?;
        let catalogue = self.catalogue.now();
        let price = |account| catalogue.cheapest(account, date).unwrap_or_default();
        for account in Account::ALL {
            tell(account, *balances.of(account), settings.daily_budget_of(account), price(account));
        }
        let status = BudgetStatus::of(&balances, &settings, &catalogue, at);
        let text = serde_json::to_string(&status).map_err(|e| PortError::Broken(e.to_string()))?;
        self.board.post(StatusName::Budget, &text).await
    }

    /// Google names the day a model goes half a year ahead; nobody should learn of it from renders.
    async fn models(&self) {
        let catalogue = self.catalogue.current().await;
        let troubled = self.catalogue.is_troubled();
        CATALOGUE_REFUSED.show([], f64::from(u8::from(troubled)));
        let models = catalogue.retirements(self.clock.now().date_naive());
        if let Some(fewest) = models.iter().map(|(_, days)| *days).min() {
            MODELS_RETIRE_DAYS.show([], fewest as f64);
        }
        for (model, days) in models {
            MODEL_RETIRES_DAYS.show([model], days as f64);
            if days < 1 {
                MODEL_RETIRED.count([model], 1);
                MODELS_RETIRED.count([], 1);
            }
            if days < WARN_DAYS {
                tracing::warn!(model, days, "a model in use retires: name its successor");
            }
        }
    }

    async fn queues(&self) -> Result<(), PortError> {
        for Backlog { queue, messages, dead, .. } in self.backlogs.backlogs().await? {
            QUEUE_MESSAGES.show([queue.as_str()], messages as f64);
            DEAD_LETTERS.show([queue.as_str()], dead as f64);
        }
        Ok(())
    }
}

fn tell(account: Account, balance: Balance, daily_budget: Micros, price: Micros) {
    let label = [account.as_str()];
    BUDGET_RESERVED.show(label, balance.reserved.usd());
    BUDGET_SETTLED.show(label, balance.settled.usd());
    BUDGET_HELD.show(label, balance.held.usd());
    let share = balance.committed().usd() / daily_budget.usd();
    BUDGET_COMMITTED.show(label, if share.is_finite() { 100.0 * share } else { 100.0 });
    let open = balance.judge(price, daily_budget) == Verdict::Open;
    BREAKER_OPEN.show(label, f64::from(u8::from(open)));
}
