//! `POST /v1/renders/{id}/rating`.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tryon_core::{
    ids::RenderId,
    rating::Rating,
    stages::{RateError, Router},
};

use super::{ask, caller::Asker, incoming::Incoming, problem::Problem, reply::Reply};

#[derive(Debug, Deserialize)]
struct RatingRequest {
    rating: u64,
}

#[derive(Debug, Serialize)]
struct RatingView<'a> {
    render_id: &'a RenderId,
    rating: Rating,
}

pub(super) async fn create(
    request: &Incoming,
    id: &str,
    router: &Router,
) -> Result<Reply, Problem> {
    let asker = Asker::of(request)?;
    let (wish, named) = ask::body::<RatingRequest>(request)?;
    let (_, user_id) = asker.user(named)?;
    let rating = u8::try_from(wish.rating).ok().and_then(|rating| Rating::try_from(rating).ok());
    let rating =
        rating.ok_or_else(|| Problem::field("rating", "give a whole number from 1 to 5"))?;
    let unknown = || Problem::not_found("there is no such render of this user");
    let id = ask::render_id(id).ok_or_else(unknown)?;
    match router.rate(&user_id, &id, rating).await {
        Ok(()) => Reply::json(StatusCode::OK, &RatingView { render_id: &id, rating }),
        Err(RateError::Unknown) => Err(unknown()),
        Err(RateError::NoPicture) => Err(Problem::no_picture()),
        Err(RateError::Rated(_)) => Err(Problem::rated()),
        Err(RateError::Port(error)) => Err(error.into()),
    }
}
