//! Objects in S3.

mod reading;
#[cfg(test)]
mod tests;

use std::fmt;

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::Config,
    error::SdkError,
    operation::get_object::{GetObjectError, GetObjectOutput},
    primitives::ByteStream as Pieces,
};
use bytes::{Bytes, BytesMut};
use tryon_core::{
    picture::Mime,
    ports::{ByteStream, Objects, Peek, PortError},
};

use self::reading::Reading;
use crate::{clients::short, errors::port_error};

/// The answer to a range that begins behind the last byte.
const BEYOND: u16 = 416;

/// The objects of one bucket. Reading needs `s3:ListBucket` too: without it S3 calls a missing key
/// forbidden, which is no answer, and would be asked for again and again.
pub struct S3Objects {
    s3: Client,
    bucket: String,
}

impl fmt::Debug for S3Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Objects").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

impl S3Objects {
    pub fn new(s3: Client, bucket: impl Into<String>) -> Self {
        Self { s3, bucket: bucket.into() }
    }
}

#[async_trait]
impl Objects for S3Objects {
    /// The bytes are in memory, so that their checksum goes ahead as a header, which S3 compares; there
    /// is no trailer that a proxy or an emulator might not know.
    async fn put(&self, key: &str, bytes: Bytes, mime: Mime) -> Result<(), PortError> {
        let call = self.s3.put_object().bucket(&self.bucket).key(key);
        let call = call.content_type(mime.as_str()).body(Pieces::from(bytes));
        call.send().await.map(drop).map_err(|error| port_error("PutObject", &error))
    }

    /// Goes on from where it broke off, a few times, while the object is the same.
    async fn get(&self, key: &str) -> Result<Option<ByteStream>, PortError> {
        let call = self.s3.get_object().bucket(&self.bucket).key(key);
        let found = if_there(call.send().await)?;
        Ok(found.map(|found| Reading::new(&self.s3, &self.bucket, key, found).into_stream()))
    }

    /// A shopper waits for it.
    async fn peek(&self, key: &str, most: usize) -> Result<Option<Peek>, PortError> {
        let last = most.max(1) - 1;
        let call = self.s3.get_object().bucket(&self.bucket).key(key);
        let call = call.range(format!("bytes=0-{last}")).customize();
        let call = call.config_override(Config::builder().timeout_config(short()));
        let answer = call.send().await;
        let status = answer.as_ref().err().and_then(SdkError::raw_response);
        if status.is_some_and(|answer| answer.status().as_u16() == BEYOND) {
            return Ok(Some(Peek { bytes: 0, first: Bytes::new() }));
        }
        let Some(mut found) = if_there(answer)? else {
            return Ok(None);
        };
        let unreadable = || PortError::Unavailable("GetObject: unreadable answer".to_owned());
        let bytes = length(&found).ok_or_else(unreadable)?;
        let mut first = BytesMut::new();
        while first.len() < most
            && let Some(piece) = found.body.try_next().await.map_err(|_| unreadable())?
        {
            first.extend_from_slice(&piece);
        }
        first.truncate(most);
        Ok(Some(Peek { bytes, first: first.freeze() }))
    }

    async fn remove(&self, key: &str) -> Result<(), PortError> {
        let call = self.s3.delete_object().bucket(&self.bucket).key(key);
        call.send().await.map(drop).map_err(|error| port_error("DeleteObject", &error))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>, PortError> {
        let call = self.s3.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let mut pages = call.into_paginator().send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error("ListObjectsV2", &error))?;
            listed.extend(page.contents().iter().filter_map(|object| {
                let bytes = u64::try_from(object.size()?).ok()?;
                Some((object.key()?.to_owned(), bytes))
            }));
        }
        Ok(listed)
    }
}

/// `None` where the bucket has no such object.
fn if_there(
    answer: Result<GetObjectOutput, SdkError<GetObjectError>>,
) -> Result<Option<GetObjectOutput>, PortError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
            Ok(None)
        }
        Err(error) => Err(port_error("GetObject", &error)),
    }
}

/// The length of the whole object, of which the answer may bring a part.
fn length(found: &GetObjectOutput) -> Option<u64> {
    match found.content_range() {
        Some(range) => range.rsplit_once('/')?.1.parse().ok(),
        None => found.content_length()?.try_into().ok(),
    }
}
