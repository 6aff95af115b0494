//! Where users put their pictures.

use std::fmt::Write;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::{AcceptError, Router};
use crate::{
    ids::{UserId, uuid_v7},
    picture::Mime,
    ports::UploadLink,
    request::{FieldError, MAX_PICTURE_BYTES},
};

/// How long an upload may take to begin.
const UPLOAD_LASTS: TimeDelta = TimeDelta::minutes(15);

/// A picture that is to be uploaded, as the sender describes it.
#[derive(Clone, Debug)]
pub struct NewUpload {
    pub user_id: UserId,
    pub mime: Mime,
    pub bytes: u64,
}

/// A place for exactly that picture, once.
#[derive(Clone, Debug)]
pub struct Upload {
    /// What a render names it by.
    pub key: String,
    pub link: UploadLink,
    pub expires_at: DateTime<Utc>,
}

impl Router {
    /// Signs an address to upload a picture to. Writes nothing itself.
    pub async fn upload(&self, new: NewUpload) -> Result<Upload, AcceptError> {
        if !(1..=MAX_PICTURE_BYTES).contains(&new.bytes) {
            let fix = format!("give the picture's length, 1 to {MAX_PICTURE_BYTES} bytes");
            return Err(FieldError::new("bytes", fix).into());
        }
        let now = self.clock.now();
        let name = uuid_v7(self.random.as_ref(), now);
        let key = format!("{}{name}.{}", below(&new.user_id), new.mime.extension());
        let expires_at = now + UPLOAD_LASTS;
        let link = self.links.write(&key, new.mime, new.bytes, expires_at).await?;
        Ok(Upload { key, link, expires_at })
    }
}

/// Where the uploads of a user lie. A hash, so that no user's name is part of an address.
pub(in crate::stages) fn below(user: &UserId) -> String {
    let mut prefix = hex(&Sha256::digest(user.as_str())[..16]);
    prefix.insert_str(0, "in/");
    prefix.push('/');
    prefix
}

/// Two digits a byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len() + 4), |mut text, byte| {
        // Writing to a string never fails.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}
