use std::{collections::BTreeMap, sync::Arc};

use tryon_aws::Tables;
use tryon_core::{
    catalogue::Backend,
    ports::{OnlineProvider, QueueName},
    stages::Imagen,
};
use tryon_lambda::{ImagenHandler, environment::Environment};
use tryon_providers::{
    ReqwestTransport,
    google::{Auth, Connection, GeminiBatch, GeminiOnline, Host},
};

use super::{BUCKET, EVENT_BUS};
use crate::{
    WiringError,
    config::{Base, Queues, batch_auth, queues, tables},
    house::House,
};

pub(super) struct Told {
    base: Base,
    queues: Queues,
    bucket: String,
    bus: String,
    tables: Tables,
    batch_auth: Auth,
}

impl Told {
    pub(super) fn read(env: &Environment) -> Self {
        let own = [QueueName::ImagenOnline, QueueName::ImagenJobs];
        Self {
            base: Base::read(env),
            queues: queues(env, &own, &own),
            bucket: env.text(BUCKET),
            bus: env.text(EVENT_BUS),
            tables: tables(env),
            batch_auth: batch_auth(env),
        }
    }
}

pub async fn imagen() -> Result<ImagenHandler, WiringError> {
    let told = Environment::of_process().read(Told::read)?;
    let house = House::new("imagen", told.base).await?;
    let (queues, bus) = (house.queues(told.queues), house.bus(told.bus));
    let objects = house.objects(&told.bucket);
    let google = Connection::new(
        Arc::new(ReqwestTransport::late()),
        Arc::new(house.secrets()),
        house.settings.clone(),
        house.clock.clone(),
    );
    let online: Arc<dyn OnlineProvider> =
        Arc::new(GeminiOnline::new(google.clone(), objects.clone(), Host::Vertex));
    let stage = Imagen {
        batch: Arc::new(GeminiBatch::new(google, objects.clone(), told.batch_auth)),
        online: BTreeMap::from([(Backend::GeminiOnline, online)]),
        buyer: house.buyer(house.attempts(told.tables), &queues, bus, objects),
    };
    Ok(ImagenHandler::new(Arc::new(stage), queues))
}
