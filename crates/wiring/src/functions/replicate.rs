use std::sync::Arc;

use tryon_aws::Tables;
use tryon_core::{
    money::Micros,
    ports::{HttpTransport, QueueName},
    stages::Replicate,
};
use tryon_lambda::{ReplicateHandler, environment::Environment};
use tryon_providers::{
    Detour, ReqwestTransport,
    replicate::{HOSTS, ReplicateClient},
};

use super::{BUCKET, EVENT_BUS, HEALTH_TABLE};
use crate::{
    WiringError,
    config::{Base, Queues, queues, tables},
    house::House,
};

pub(super) struct Told {
    base: Base,
    queues: Queues,
    bucket: String,
    bus: String,
    tables: Tables,
    health_table: String,
    endpoint: Option<String>,
}

impl Told {
    pub(super) fn read(env: &Environment) -> Self {
        let own = [QueueName::Replicate];
        Self {
            base: Base::read(env),
            queues: queues(env, &own, &own),
            bucket: env.text(BUCKET),
            bus: env.text(EVENT_BUS),
            tables: tables(env),
            health_table: env.text(HEALTH_TABLE),
            endpoint: env.optional("REPLICATE_API_ENDPOINT").map(str::to_owned),
        }
    }
}

pub async fn replicate() -> Result<ReplicateHandler, WiringError> {
    let told = Environment::of_process().read(Told::read)?;
    let house = House::new("replicate", told.base).await?;
    let (queues, bus) = (house.queues(told.queues), house.bus(told.bus));
    let objects = house.objects(&told.bucket);
    let catalogue = house.live_catalogue(&told.bucket);
    let attempts = house.attempts(told.tables);
    let stage = Replicate {
        predictions: Arc::new(ReplicateClient::new(
            way_there(told.endpoint.as_deref())?,
            Arc::new(house.secrets()),
            house.links(&told.bucket),
            house.clock.clone(),
        )),
        pulse: house.pulse(told.health_table),
        // It rescues nobody.
        buyer: house.buyer(attempts, &queues, bus, objects, Micros::ZERO, catalogue),
    };
    Ok(ReplicateHandler::new(Arc::new(stage), queues))
}

fn way_there(endpoint: Option<&str>) -> Result<Arc<dyn HttpTransport>, WiringError> {
    let transport: Arc<dyn HttpTransport> = Arc::new(ReqwestTransport::late());
    let Some(endpoint) = endpoint else {
        return Ok(transport);
    };
    let detour = Detour::new(transport, HOSTS, endpoint).ok_or(WiringError::Endpoint)?;
    Ok(Arc::new(detour))
}
