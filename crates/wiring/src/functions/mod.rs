//! One function each: what it is told, and what it is made of.

mod accumulator;
mod distributor;
mod imagen;
mod migrate;
mod reconciler;
mod replicate;
mod rollout;
mod router;

pub use self::{
    accumulator::accumulator, distributor::distributor, imagen::imagen, migrate::migrate,
    reconciler::reconciler, replicate::replicate, rollout::rollout, router::router,
};

const BUCKET: &str = "BUCKET";
const EVENT_BUS: &str = "EVENT_BUS";
const HEALTH_TABLE: &str = "HEALTH_TABLE";

#[cfg(test)]
mod tests;
