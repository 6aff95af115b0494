use std::sync::{Arc, atomic::AtomicBool};

use tryon_aws::Tables;
use tryon_core::{
    lane::LaneRules,
    ports::QueueName,
    stages::{Reconciler, Report},
};
use tryon_lambda::{ReconcilerHandler, environment::Environment};

use super::{BUCKET, EVENT_BUS, HEALTH_TABLE};
use crate::{
    WiringError,
    config::{Base, DatabaseAt, Queues, database, later_lanes, queues, tables},
    house::House,
};

pub(super) struct Told {
    base: Base,
    queues: Queues,
    bucket: String,
    bus: String,
    tables: Tables,
    health_table: String,
    database: DatabaseAt,
    lanes: LaneRules,
}

impl Told {
    pub(super) fn read(env: &Environment) -> Self {
        Self {
            base: Base::read(env),
            // It reports how many messages were put aside.
            queues: queues(env, &QueueName::ALL, &QueueName::ALL),
            bucket: env.text(BUCKET),
            bus: env.text(EVENT_BUS),
            tables: tables(env),
            health_table: env.text(HEALTH_TABLE),
            database: database(env),
            lanes: later_lanes(env),
        }
    }
}

pub async fn reconciler() -> Result<ReconcilerHandler, WiringError> {
    let told = Environment::of_process().read(Told::read)?;
    let house = House::new("reconciler", told.base).await?;
    let database = house.database(told.database).await?;
    let attempts = house.attempts(told.tables);
    let (queues, bus) = (house.queues(told.queues), house.bus(told.bus));
    let catalogue = house.live_catalogue(&told.bucket);
    let stage = Reconciler {
        renders: database.clone(),
        batches: database.clone(),
        attempts: attempts.clone(),
        queue: queues.clone(),
        clock: house.clock.clone(),
        courier: house.courier(&database, &queues, &bus, told.lanes, catalogue.clone()),
        report: Report {
            ledger: attempts,
            backlogs: queues,
            settings: house.settings.clone(),
            board: house.parameters(),
            health: house.health(told.health_table),
            clock: house.clock.clone(),
            catalogue,
        },
        begun: AtomicBool::new(false),
    };
    Ok(ReconcilerHandler::new(Arc::new(stage)))
}
