//! What the customer thinks of a picture, once.

use super::Router;
use crate::{
    ids::{RenderId, UserId},
    ports::PortError,
    rating::Rating,
    render::RenderStatus,
};

/// Why a rating was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    #[error("there is no such render of this user")]
    Unknown,
    /// It has not ended, or without a picture.
    #[error("there is no picture to rate")]
    NoPicture,
    #[error("the picture was rated {} before", .0.get())]
    Rated(Rating),
    #[error(transparent)]
    Port(#[from] PortError),
}

impl Router {
    /// Keeps what the user thinks of the picture of their own render; the same again is no error.
    pub async fn rate(
        &self,
        user: &UserId,
        id: &RenderId,
        rating: Rating,
    ) -> Result<(), RateError> {
        let render = self.read(user, id).await?.ok_or(RateError::Unknown)?;
        if !matches!(render.status, RenderStatus::Succeeded { .. }) {
            return Err(RateError::NoPicture);
        }
        let kept = self.ratings.rate(id, rating, self.clock.now()).await?;
        match kept.ok_or(RateError::Unknown)? {
            kept if kept == rating => Ok(()),
            kept => Err(RateError::Rated(kept)),
        }
    }
}
