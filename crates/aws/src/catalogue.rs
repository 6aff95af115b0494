//! The catalogue that ops may put into the bucket.

#[cfg(test)]
mod tests;

use std::fmt;

use async_trait::async_trait;
use aws_sdk_s3::{Client, config::Config, error::SdkError, operation::get_object::GetObjectError};
use tryon_core::ports::{CatalogueStore, Override, PortError};

use crate::{clients::short, errors::port_error};

/// Where it lies. Customers write below `in/` alone, and no function may write here.
const KEY: &str = "config/catalogue.toml";
/// The longest that is read, in bytes: many times what a catalogue takes.
const LONGEST: i64 = 256 * 1_024;
const NOT_MODIFIED: u16 = 304;

/// The override in one bucket. As for other objects, reading needs `s3:ListBucket` too: without it S3
/// calls a missing key forbidden.
pub struct S3Catalogue {
    s3: Client,
    bucket: String,
}

impl fmt::Debug for S3Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Catalogue").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

impl S3Catalogue {
    pub fn new(s3: Client, bucket: impl Into<String>) -> Self {
        Self { s3, bucket: bucket.into() }
    }
}

#[async_trait]
impl CatalogueStore for S3Catalogue {
    async fn read(&self, known: Option<&str>) -> Result<Override, PortError> {
        let call = self.s3.get_object().bucket(&self.bucket).key(KEY);
        let call = call.set_if_none_match(known.map(str::to_owned)).customize();
        let call = call.config_override(Config::builder().timeout_config(short()));
        let found = match call.send().await {
            Ok(found) => found,
            Err(error) => return unread(&error),
        };
        if found.content_length().is_none_or(|length| length > LONGEST) {
            return Err(PortError::Broken(format!("{KEY} is longer than {LONGEST} bytes")));
        }
        let version = found.e_tag().unwrap_or_default().to_owned();
        let unreadable = |_| PortError::Unavailable("GetObject: unreadable answer".to_owned());
        let bytes = found.body.collect().await.map_err(unreadable)?.into_bytes();
        // Whoever parses it says what is wrong with other bytes.
        Ok(Override::New { text: String::from_utf8_lossy(&bytes).into_owned(), version })
    }
}

fn unread(error: &SdkError<GetObjectError>) -> Result<Override, PortError> {
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    match error.as_service_error() {
        _ if status == Some(NOT_MODIFIED) => Ok(Override::Same),
        Some(refused) if refused.is_no_such_key() => Ok(Override::Absent),
        _ => Err(port_error("GetObject", error)),
    }
}
