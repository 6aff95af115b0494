use std::sync::Arc;

use tryon_core::{lane::LaneRules, ports::QueueName, stages::Distributor};
use tryon_lambda::{DistributorHandler, environment::Environment};

use super::{BUCKET, EVENT_BUS};
use crate::{
    WiringError,
    config::{Base, DatabaseAt, Queues, database, later_lanes, queues},
    house::House,
};

/// Where renders are handed on to.
const HAND_ON: [QueueName; 4] =
    [QueueName::Accumulator, QueueName::ImagenOnline, QueueName::ImagenJobs, QueueName::Replicate];

pub(super) struct Told {
    base: Base,
    queues: Queues,
    bucket: String,
    bus: String,
    database: DatabaseAt,
    lanes: LaneRules,
}

impl Told {
    pub(super) fn read(env: &Environment) -> Self {
        Self {
            base: Base::read(env),
            queues: queues(env, &HAND_ON, &[QueueName::GeminiBatch]),
            bucket: env.text(BUCKET),
            bus: env.text(EVENT_BUS),
            database: database(env),
            lanes: later_lanes(env),
        }
    }
}

pub async fn distributor() -> Result<DistributorHandler, WiringError> {
    let told = Environment::of_process().read(Told::read)?;
    let house = House::new("distributor", told.base).await?;
    let database = house.database(told.database).await?;
    let (queues, bus) = (house.queues(told.queues), house.bus(told.bus));
    let catalogue = house.live_catalogue(&told.bucket);
    let stage = Distributor {
        renders: database.clone(),
        batches: database.clone(),
        settings: house.settings.clone(),
        clock: house.clock.clone(),
        courier: house.courier(&database, &queues, &bus, told.lanes, catalogue),
    };
    Ok(DistributorHandler::new(Arc::new(stage), queues))
}
