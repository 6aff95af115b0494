//! Addresses in S3 that are signed here, without a call.

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_s3::{Client, presigning::PresigningConfig};
use aws_smithy_runtime_api::http::HttpError;
use chrono::{DateTime, SubsecRound, Utc};
use tryon_core::{
    ids::AttemptId,
    picture::Mime,
    ports::{Clock, Links, PortError, UploadLink},
};

use crate::errors::port_error;

/// The parameter with the attempt's id. S3 ignores what begins with `x-`.
const ATTEMPT: &str = "x-attempt";

/// Signs addresses of one bucket, without the checksum headers that whoever uses one would have to
/// send. An address is good for at most as long as the credentials that signed it.
pub struct S3Links {
    s3: Client,
    clock: Arc<dyn Clock>,
    bucket: String,
}

impl fmt::Debug for S3Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Links").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

impl S3Links {
    pub fn new(s3: Client, clock: Arc<dyn Clock>, bucket: impl Into<String>) -> Self {
        Self { s3, clock, bucket: bucket.into() }
    }

    /// From now until `expires`, both in whole seconds.
    fn until(&self, expires: DateTime<Utc>) -> Result<PresigningConfig, PortError> {
        let now = self.clock.now().trunc_subsecs(0);
        let seconds = (expires - now).num_seconds();
        let time = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
        let time = time.ok_or_else(|| refused("it would have expired already"))?;
        let config = PresigningConfig::builder().start_time(now.into());
        config
            .expires_in(Duration::from_secs(time))
            .build()
            .map_err(|_| refused("it lasts too long"))
    }
}

#[async_trait]
impl Links for S3Links {
    async fn read(
        &self,
        key: &str,
        expires: DateTime<Utc>,
        attempt: Option<&AttemptId>,
    ) -> Result<String, PortError> {
        let until = self.until(expires)?;
        let attempt = attempt.map(|attempt| {
            let id: String = form_urlencoded::byte_serialize(attempt.as_str().as_bytes()).collect();
            format!("{ATTEMPT}={id}")
        });
        let call = self.s3.get_object().bucket(&self.bucket).key(key).customize();
        let call = call.map_request(move |mut request| {
            if let Some(attempt) = &attempt {
                let mark = if request.uri().contains('?') { '&' } else { '?' };
                request.set_uri(format!("{}{mark}{attempt}", request.uri()))?;
            }
            Ok::<_, HttpError>(request)
        });
        let signed = call.presigned(until).await;
        let signed = signed.map_err(|error| port_error("signing a GetObject", &error))?;
        Ok(signed.uri().to_owned())
    }

    async fn write(
        &self,
        key: &str,
        mime: Mime,
        bytes: u64,
        expires: DateTime<Utc>,
    ) -> Result<UploadLink, PortError> {
        let until = self.until(expires)?;
        let length = i64::try_from(bytes).map_err(|_| refused("the object is too long"))?;
        let call = self.s3.put_object().bucket(&self.bucket).key(key);
        let call = call.content_type(mime.as_str()).content_length(length).if_none_match("*");
        let signed = call.presigned(until).await;
        let signed = signed.map_err(|error| port_error("signing a PutObject", &error))?;
        Ok(UploadLink {
            url: signed.uri().to_owned(),
            headers: vec![
                ("content-type", mime.as_str().to_owned()),
                ("content-length", bytes.to_string()),
                ("if-none-match", "*".to_owned()),
            ],
        })
    }
}

fn refused(fault: &str) -> PortError {
    PortError::Broken(format!("an address cannot be signed: {fault}"))
}
