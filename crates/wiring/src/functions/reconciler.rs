use std::sync::Arc;

use tryon_aws::Tables;
use tryon_core::{
    ports::QueueName,
    stages::{Reconciler, Report},
};
use tryon_lambda::{ReconcilerHandler, environment::Environment};

use super::EVENT_BUS;
use crate::{
    WiringError,
    config::{Base, DatabaseAt, Queues, batch_min_deadline, database, queues, tables},
    house::House,
};

pub(super) struct Told {
    base: Base,
    queues: Queues,
    bus: String,
    tables: Tables,
    database: DatabaseAt,
    batch_min_deadline: u32,
}

impl Told {
    pub(super) fn read(env: &Environment) -> Self {
        Self {
            base: Base::read(env),
            // It reports how many messages were put aside.
            queues: queues(env, &QueueName::ALL, &QueueName::ALL),
            bus: env.text(EVENT_BUS),
            tables: tables(env),
            database: database(env),
            batch_min_deadline: batch_min_deadline(env),
        }
    }
}

pub async fn reconciler() -> Result<ReconcilerHandler, WiringError> {
    let told = Environment::of_process().read(Told::read)?;
    let house = House::new("reconciler", told.base).await?;
    let database = house.database(told.database).await?;
    let attempts = house.attempts(told.tables);
    let (queues, bus) = (house.queues(told.queues), house.bus(told.bus));
    let stage = Reconciler {
        renders: database.clone(),
        batches: database.clone(),
        attempts: attempts.clone(),
        queue: queues.clone(),
        clock: house.clock.clone(),
        courier: house.courier(&database, &queues, &bus, told.batch_min_deadline),
        report: Report {
            ledger: attempts,
            backlogs: queues,
            settings: house.settings.clone(),
            board: house.parameters(),
            clock: house.clock.clone(),
            catalogue: house.catalogue.clone(),
        },
    };
    Ok(ReconcilerHandler::new(Arc::new(stage)))
}
