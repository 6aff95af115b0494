use std::sync::Arc;

use tryon_aws::DynamoLedger;
use tryon_core::{
    gates::{Mode, Rules},
    stages::Rollout,
};
use tryon_lambda::{RolloutHandler, environment::Environment};

use super::EVENT_BUS;
use crate::{
    WiringError,
    config::{Base, DatabaseAt, database},
    house::House,
};

pub(super) struct Told {
    base: Base,
    bus: String,
    budget_table: String,
    database: DatabaseAt,
    mode: Mode,
}

impl Told {
    pub(super) fn read(env: &Environment) -> Self {
        Self {
            base: Base::read(env),
            bus: env.text(EVENT_BUS),
            budget_table: env.text("BUDGET_TABLE"),
            database: database(env),
            mode: env.parse("ROLLOUT_MODE", Mode::Manual, "manual or automatic"),
        }
    }
}

pub async fn rollout() -> Result<RolloutHandler, WiringError> {
    let told = Environment::of_process().read(Told::read)?;
    let house = House::new("rollout", told.base).await?;
    let database = house.database(told.database).await?;
    let parameters = house.parameters();
    let stage = Rollout {
        observations: database.clone(),
        audit: database,
        ledger: Arc::new(DynamoLedger::new(house.clients.clone(), told.budget_table)),
        settings: house.settings.clone(),
        knobs: parameters.clone(),
        board: parameters,
        bus: house.bus(told.bus),
        clock: house.clock.clone(),
        catalogue: house.catalogue.clone(),
        mode: told.mode,
        rules: Rules::default(),
    };
    Ok(RolloutHandler::new(Arc::new(stage)))
}
