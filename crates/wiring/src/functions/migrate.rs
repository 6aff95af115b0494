use std::sync::Arc;

use tryon_core::{
    settings::{KNOBS, Knob},
    stages::Setup,
};
use tryon_lambda::{MigrateHandler, environment::Environment};
use tryon_providers::ReqwestTransport;

use crate::{
    WiringError,
    config::{Base, DatabaseAt, database},
    house::House,
};

pub(super) struct Told {
    base: Base,
    database: DatabaseAt,
    /// What each knob begins with.
    knobs: Vec<(&'static str, String)>,
}

impl Told {
    pub(super) fn read(env: &Environment) -> Self {
        let first =
            |knob: &Knob| (knob.name, env.optional(knob.env).unwrap_or(knob.default).to_owned());
        Self {
            base: Base::read(env),
            database: database(env),
            knobs: KNOBS.iter().map(first).collect(),
        }
    }
}

pub async fn migrate() -> Result<MigrateHandler, WiringError> {
    let told = Environment::of_process().read(Told::read)?;
    let house = House::new("migrate", told.base).await?;
    let stage = Setup {
        schema: house.database(told.database).await?,
        knobs: house.parameters(),
        defaults: told.knobs,
    };
    let transport = Arc::new(ReqwestTransport::late());
    Ok(MigrateHandler::new(Arc::new(stage), transport, house.clock.clone()))
}
