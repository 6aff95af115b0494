use std::sync::Arc;

use tryon_aws::DynamoLedger;
use tryon_core::{
    ports::QueueName,
    stages::{Router, RouterConfig},
};
use tryon_lambda::{RouterHandler, environment::Environment, http::HttpConfig};

use super::{BUCKET, EVENT_BUS, HEALTH_TABLE};
use crate::{
    WiringError,
    config::{Base, DatabaseAt, Queues, database, lanes, origins, queues},
    house::House,
};

pub(super) struct Told {
    base: Base,
    config: RouterConfig,
    http: HttpConfig,
    queues: Queues,
    bucket: String,
    bus: String,
    budget_table: String,
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
            http: HttpConfig { cors_origins: origins(env) },
            // It looks at all of them, for whoever asks how the house does.
            queues: queues(env, &QueueName::ALL, &QueueName::ALL),
            bucket: env.text(BUCKET),
            bus: env.text(EVENT_BUS),
            budget_table: env.text("BUDGET_TABLE"),
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
    let stage = Router {
        renders: database.clone(),
        ratings: database.clone(),
        objects: house.objects(&told.bucket),
        links: house.links(&told.bucket),
        ledger: Arc::new(DynamoLedger::new(house.clients.clone(), told.budget_table)),
        pulse: house.pulse(told.health_table),
        backlogs: queues.clone(),
        settings: house.settings.clone(),
        clock: house.clock.clone(),
        random: house.random.clone(),
        courier: house.courier(&database, &queues, &bus, told.config.lanes, catalogue),
        config: told.config,
    };
    Ok(RouterHandler::with_config(Arc::new(stage), told.http))
}
