use std::{collections::BTreeMap, sync::Arc};

use tryon_aws::Tables;
use tryon_core::{
    catalogue::Backend,
    money::Micros,
    ports::{OnlineProvider, QueueName},
    stages::Imagen,
};
use tryon_lambda::{ImagenHandler, environment::Environment};
use tryon_providers::{
    ReqwestTransport,
    google::{Connection, GeminiBatch, GeminiOnline, SelfCheck, VertexPredict},
};

use super::{BUCKET, EVENT_BUS, HEALTH_TABLE};
use crate::{
    WiringError,
    config::{Base, GoogleAt, Queues, google, queues, rescue_budget, tables},
    house::House,
};

pub(super) struct Told {
    base: Base,
    queues: Queues,
    bucket: String,
    bus: String,
    tables: Tables,
    google: GoogleAt,
    health_table: String,
    rescue_budget: Micros,
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
            google: google(env),
            health_table: env.text(HEALTH_TABLE),
            rescue_budget: rescue_budget(env),
        }
    }
}

pub async fn imagen() -> Result<ImagenHandler, WiringError> {
    let told = Environment::of_process().read(Told::read)?;
    let house = House::new("imagen", told.base).await?;
    let (queues, bus) = (house.queues(told.queues), house.bus(told.bus));
    let objects = house.objects(&told.bucket);
    let GoogleAt { online, batch_auth, region, project, user_project, scopes, image_form } =
        told.google;
    let google = Connection::new(
        Arc::new(ReqwestTransport::late()),
        Arc::new(house.secrets()),
        house.settings.clone(),
        house.clock.clone(),
    )
    .in_project(project)
    .by_user_project(user_project)
    .with_scopes(&scopes);
    let gemini: Arc<dyn OnlineProvider> = Arc::new(
        GeminiOnline::new(google.clone(), objects.clone(), online).with_image_form(image_form),
    );
    let predict: Arc<dyn OnlineProvider> =
        Arc::new(VertexPredict::new(google.clone(), objects.clone(), region));
    let catalogue = house.live_catalogue(&told.bucket);
    let attempts = house.attempts(told.tables);
    let stage = Imagen {
        batch: Arc::new(GeminiBatch::new(google.clone(), objects.clone(), batch_auth)),
        google: Arc::new(SelfCheck { connection: google, host: online, batch_auth }),
        online: BTreeMap::from([
            (Backend::GeminiOnline, gemini),
            (Backend::VertexPredict, predict),
        ]),
        pulse: house.pulse(told.health_table),
        buyer: house.buyer(attempts, &queues, bus, objects, told.rescue_budget, catalogue),
    };
    Ok(ImagenHandler::new(Arc::new(stage), queues))
}
