//! The pictures that a request names: found, looked at, and refused where no model should pay for
//! them.

use futures_util::future::join_all;

use super::{AcceptError, Caller, Router, upload::below};
use crate::{
    ids::UserId,
    picture::{FIRST_LOOK, Flaw, Look, Mime, PictureRef, look},
    ports::{Peek, PortError},
    request::{FieldError, MAX_PICTURE_BYTES, RenderRequest},
};

/// The longest upload key, in bytes: what an object store takes.
const MAX_KEY_BYTES: usize = 1_024;
/// The whole of any picture that is small enough.
#[expect(clippy::cast_possible_truncation, reason = "7 MB")]
const WHOLE: usize = MAX_PICTURE_BYTES as usize;

/// Uploads lie below `in/`; nothing else in the store may be named from outside.
fn is_upload(key: &str) -> bool {
    key.starts_with("in/") && key.len() <= MAX_KEY_BYTES && !key.chars().any(char::is_control)
}

/// Why a picture is not taken.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("upload the picture first")]
    Absent,
    #[error(transparent)]
    Flawed(#[from] Flaw),
    #[error(transparent)]
    Port(#[from] PortError),
}

impl Router {
    /// Looks at every picture at once.
    pub(super) async fn find_pictures(
        &self,
        caller: Caller,
        user: &UserId,
        request: RenderRequest<String>,
    ) -> Result<RenderRequest, AcceptError> {
        let own = below(user);
        let request = request.try_map(|field, key| match caller {
            _ if !is_upload(&key) => {
                Err(FieldError::new(field, "name a picture by its upload key"))
            }
            // Whether somebody else's picture exists is nobody's business.
            Caller::Owner if !key.starts_with(&own) => {
                Err(FieldError::new(field, Unfit::Absent.to_string()))
            }
            Caller::Owner | Caller::Backend => Ok(key),
        })?;
        let found = join_all(request.pictures().map(|key| self.find_picture(key))).await;
        let mut found = found.into_iter();
        request.try_map(|field, key| match found.next().unwrap_or(Err(Unfit::Absent)) {
            Ok((bytes, mime)) => Ok(PictureRef { key, bytes, mime }),
            Err(Unfit::Port(error)) => Err(error.into()),
            Err(unfit) => Err(FieldError::new(field, unfit.to_string()).into()),
        })
    }

    async fn find_picture(&self, key: &str) -> Result<(u64, Mime), Unfit> {
        for most in [FIRST_LOOK, WHOLE] {
            let peek = self.objects.peek(key, most).await?;
            let Peek { bytes, first } = peek.ok_or(Unfit::Absent)?;
            if let Look::Good(mime, _) = look(bytes, &first)? {
                return Ok((bytes, mime));
            }
        }
        Err(Flaw::Broken.into())
    }
}
