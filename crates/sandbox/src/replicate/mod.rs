//! Predictions as Replicate runs them: created, polled, cancelled, listed, and their pictures
//! delivered for an hour. Nothing runs in the background: what a prediction is follows from its times
//! whenever somebody asks.

mod bucket;
mod calls;
mod check;
mod create;
mod delivery;
mod headers;
mod limit;
mod list;
mod offer;
mod order;
mod prediction;
mod problem;
mod request;
mod sheet;
mod store;
mod times;
mod view;
mod work;

pub use self::{bucket::Bucket, offer::ReplicateModel};
pub(crate) use self::{
    calls::{cancel, get},
    create::{create, create_official},
    delivery::{deliver, unavailable},
    list::list,
    problem::Problem,
    store::Predictions,
};

/// Paths that belong to Replicate, wherever they are asked for.
pub(crate) fn serves(path: &str) -> bool {
    path.starts_with("/v1/predictions")
        || (path.starts_with("/v1/models/") && path.ends_with("/predictions"))
}

/// Paths of pictures.
pub(crate) fn delivers(path: &str) -> bool {
    path.starts_with("/pbxt/") || path.starts_with("/xezq/")
}
