use std::sync::Arc;

use tryon_aws::{DynamoLedger, Tables};
use tryon_core::{
    ports::QueueName,
    stages::{Ops, Router, RouterConfig},
};
use tryon_lambda::{RouterHandler, environment::Environment, http::HttpConfig};

use super::{BUCKET, EVENT_BUS, HEALTH_TABLE};
use crate::{
    WiringError,
    config::{Base, DatabaseAt, Queues, database, lanes, listed, origins, queues, tables},
    house::House,
};

pub(super) struct Told {
    base: Base,
    config: RouterConfig,
    http: HttpConfig,
    queues: Queues,
    bucket: String,
    bus: String,
    tables: Tables,
    health_table: String,
    database: DatabaseAt,
}

impl Told {
    pub(super) fn read(env: &Environment) -> Self {
        Self {
            base: Base::read(env),
            config: RouterConfig {
                salt: env.text("ROUTING_SALT"),
                lanes: lanes(env),
                hourly_limit: env.number("PER_USER_HOURLY_LIMIT", 20, 1, 1_000_000),
            },
            http: HttpConfig {
                cors_origins: origins(env),
                ops_principals: listed(env, "OPS_PRINCIPALS"),
            },
            // It looks at all of them, for whoever asks how the house does.
            queues: queues(env, &QueueName::ALL, &QueueName::ALL),
            bucket: env.text(BUCKET),
            bus: env.text(EVENT_BUS),
            tables: tables(env),
            health_table: env.text(HEALTH_TABLE),
            database: database(env),
        }
    }
}

pub async fn router() -> Result<RouterHandler, WiringError> {
    let told = Environment::of_process().read(Told::read)?;
    let house = House::new("router", told.base).await?;
    let database = house.database(told.database).await?;
    let (queues, bus) = (house.queues(told.queues), house.bus(told.bus));
    let catalogue = house.live_catalogue(&told.bucket);
    let stage = Arc::new(Router {
        renders: database.clone(),
        ratings: database.clone(),
        objects: house.objects(&told.bucket),
        links: house.links(&told.bucket),
        ledger: Arc::new(DynamoLedger::new(house.clients.clone(), told.tables.budget.clone())),
        pulse: house.pulse(told.health_table),
        backlogs: queues.clone(),
        settings: house.settings.clone(),
        clock: house.clock.clone(),
        random: house.random.clone(),
        courier: house.courier(&database, &queues, &bus, told.config.lanes, catalogue),
        config: told.config,
    });
    let parameters = house.parameters();
    let ops = Ops {
        router: stage.clone(),
        attempts: house.attempts(told.tables),
        board: parameters.clone(),
        knobs: parameters,
        audit: database,
        redrive: queues,
    };
    Ok(RouterHandler::with_config(stage, told.http).with_ops(Arc::new(ops)))
}
