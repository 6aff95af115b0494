//! Predictions as Replicate runs them: created, polled, cancelled, listed, and their pictures
//! delivered for an hour. Nothing runs in the background: what a prediction is follows from its times
//! whenever somebody asks.

mod about;
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

pub(crate) use self::{
    about::{account, model, version},
    calls::{cancel, get},
    create::{create, create_official},
    delivery::{deliver, unavailable},
    list::list,
    problem::Problem,
    store::Predictions,
};
pub use self::{bucket::Bucket, offer::ReplicateModel};

/// Paths that belong to Replicate, wherever they are asked for.
pub(crate) fn serves(path: &str) -> bool {
    let rest = path.strip_prefix("/v1/models/").unwrap_or_default();
    // Google's have one name.
    path.starts_with("/v1/predictions") || path == "/v1/account" || rest.contains('/')
}

/// Paths of pictures.
pub(crate) fn delivers(path: &str) -> bool {
    path.starts_with("/pbxt/") || path.starts_with("/xezq/")
}
