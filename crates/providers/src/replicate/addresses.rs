//! Addresses at which a model reads the input pictures, marked with the attempt they are for.

use chrono::{DateTime, Utc};
use tryon_core::{
    ids::AttemptId,
    outcome::FailClass,
    picture::PictureRef,
    ports::{CallError, Links, PortError},
};

use crate::errors::{not_created, rejected};

pub(super) struct Addresses<'a> {
    pub(super) links: &'a dyn Links,
    pub(super) attempt: &'a AttemptId,
    pub(super) expires: DateTime<Utc>,
}

impl Addresses<'_> {
    pub(super) async fn of(&self, picture: &PictureRef) -> Result<String, CallError> {
        let address = self.links.read(&picture.key, self.expires, Some(self.attempt)).await;
        address.map_err(|error| match error {
            PortError::Unavailable(_) => {
                not_created("an input picture's address cannot be signed now", None)
            }
            PortError::Broken(_) => {
                rejected(FailClass::Invalid, "an input picture's address cannot be signed")
            }
        })
    }

    pub(super) async fn of_all(
        &self,
        pictures: impl Iterator<Item = &PictureRef> + Send,
    ) -> Result<Vec<String>, CallError> {
        let mut addresses = Vec::new();
        for picture in pictures {
            addresses.push(self.of(picture).await?);
        }
        Ok(addresses)
    }
}
