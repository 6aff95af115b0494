use std::sync::Arc;

use tryon_core::{ports::QueueName, stages::Accumulator};
use tryon_lambda::{AccumulatorHandler, environment::Environment};

use crate::{
    WiringError,
    config::{Base, DatabaseAt, Queues, database, queues},
    house::House,
};

pub(super) struct Told {
    base: Base,
    queues: Queues,
    database: DatabaseAt,
}

impl Told {
    pub(super) fn read(env: &Environment) -> Self {
        let sends = [QueueName::Accumulator, QueueName::ImagenJobs];
        Self {
            base: Base::read(env),
            queues: queues(env, &sends, &[QueueName::Accumulator]),
            database: database(env),
        }
    }
}

pub async fn accumulator() -> Result<AccumulatorHandler, WiringError> {
    let told = Environment::of_process().read(Told::read)?;
    let house = House::new("accumulator", told.base).await?;
    let queues = house.queues(told.queues);
    let stage = Accumulator {
        batches: house.database(told.database).await?,
        queue: queues.clone(),
        settings: house.settings.clone(),
        clock: house.clock.clone(),
        random: house.random.clone(),
    };
    Ok(AccumulatorHandler::new(Arc::new(stage), queues))
}
