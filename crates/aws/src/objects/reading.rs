use std::io;

use aws_sdk_s3::{
    Client, operation::get_object::GetObjectOutput, primitives::ByteStream as Pieces,
};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tryon_core::ports::ByteStream;

use super::length;
use crate::errors::port_error;

/// How often a broken stream is taken up again.
const RESUMES: u32 = 3;

/// An object on its way here.
pub(super) struct Reading {
    s3: Client,
    bucket: String,
    key: String,
    /// What these bytes are a version of.
    etag: Option<String>,
    length: u64,
    /// Bytes handed on so far.
    at: u64,
    pieces: Pieces,
    resumes: u32,
}

impl Reading {
    pub(super) fn new(s3: &Client, bucket: &str, key: &str, found: GetObjectOutput) -> Self {
        Self {
            s3: s3.clone(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            etag: found.e_tag().map(str::to_owned),
            length: length(&found).unwrap_or_default(),
            at: 0,
            pieces: found.body,
            resumes: 0,
        }
    }

    pub(super) fn into_stream(self) -> ByteStream {
        stream::try_unfold(self, Self::next).boxed()
    }

    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        loop {
            match self.pieces.try_next().await {
                Ok(Some(piece)) => {
                    self.at += piece.len() as u64;
                    return Ok(Some((piece, self)));
                }
                Ok(None) if self.at >= self.length => return Ok(None),
                Ok(None) | Err(_) => self.pieces = self.resume().await?,
            }
        }
    }

    /// The bytes from here on, of the same version of the object.
    async fn resume(&mut self) -> io::Result<Pieces> {
        let broken = || io::Error::other("GetObject: the stream broke off");
        let etag = self.etag.as_ref().ok_or_else(broken)?;
        if self.at >= self.length || self.resumes == RESUMES {
            return Err(broken());
        }
        self.resumes += 1;
        let call = self.s3.get_object().bucket(&self.bucket).key(&self.key).if_match(etag);
        let answer = call.range(format!("bytes={}-", self.at)).send().await;
        let answer = answer.map_err(|error| io::Error::other(port_error("GetObject", &error)))?;
        let starts_here = format!("bytes {}-", self.at);
        let fits = answer.content_range().is_some_and(|range| range.starts_with(&starts_here));
        if fits { Ok(answer.body) } else { Err(broken()) }
    }
}
