//! A look at the input pictures before anything is sent, since nothing may be sent half.

use futures_util::{StreamExt, TryStreamExt, stream};
use tryon_core::{
    picture::PictureRef,
    ports::{CallError, Objects, PortError},
};

use crate::errors::ours_away;

/// How many pictures are looked up at once.
const AT_ONCE: usize = 16;

/// Checks that every picture is there at the length its reference says.
pub(super) async fn check(
    objects: &dyn Objects,
    pictures: impl Iterator<Item = &PictureRef> + Send,
) -> Result<(), CallError> {
    let looks = pictures.zip(1..).map(|(picture, n)| look(objects, picture, n));
    let looks: Vec<_> = looks.collect();
    stream::iter(looks).buffer_unordered(AT_ONCE).try_collect::<()>().await
}

/// The `n`-th picture; its key may name a customer and stays out of reasons.
async fn look(objects: &dyn Objects, picture: &PictureRef, n: u32) -> Result<(), CallError> {
    let wrong = |what: &str| CallError::Unfit(format!("input picture {n}: {what}"));
    match objects.peek(&picture.key, 0).await {
        Ok(Some(look)) if look.bytes == picture.bytes => Ok(()),
        Ok(Some(_)) => Err(wrong("another length than expected")),
        Ok(None) => Err(wrong("not there")),
        Err(PortError::Broken(_)) => Err(wrong("cannot be read")),
        Err(PortError::Unavailable(_)) => {
            Err(ours_away(format!("input picture {n}: cannot be read now")))
        }
    }
}
