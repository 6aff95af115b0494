//! Fetching the pictures that predictions made. The token is sent to none of these hosts.

use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use http::{Request, Response, Uri};
use tryon_core::{
    outcome::FailClass,
    picture::{Mime, Picture},
    ports::{Body, ByteStream, CallError},
};

use super::{DELIVERY_HOST, api::Api};
use crate::{
    errors::{Purpose, not_created, rejected},
    read::{BASE64, ReadError, whole},
};

const TIMEOUT: Duration = Duration::from_secs(25);
/// The largest picture that is taken, in bytes.
const MOST: usize = 32 << 20;

/// The hosts that pictures are fetched from.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    hosts: Vec<String>,
}

impl Default for Delivery {
    fn default() -> Self {
        Self { hosts: vec![DELIVERY_HOST.to_owned()] }
    }
}

impl Delivery {
    pub(super) fn allow(&mut self, host: &str) {
        self.hosts.push(host.to_ascii_lowercase());
    }

    pub(super) async fn fetch(&self, api: &Api, address: &str) -> Result<Picture, CallError> {
        let scheme = address.get(..5).unwrap_or_default();
        let bytes = if scheme.eq_ignore_ascii_case("data:") {
            decoded(&address[5..])?
        } else {
            let address = self.trusted(address)?;
            api.within(Purpose::Free, TIMEOUT, download(api, address)).await?
        };
        let mime = Mime::sniff(&bytes).ok_or_else(|| no_image("these bytes are no picture"))?;
        Ok(Picture { bytes, mime })
    }

    /// A host that is not known brings every picture to nothing: a person is needed.
    fn trusted(&self, address: &str) -> Result<Uri, CallError> {
        let uri: Uri = address.parse().map_err(|_| no_image("this is no address"))?;
        let host = uri.authority().map(|authority| authority.as_str().to_ascii_lowercase());
        let host = host.unwrap_or_default();
        let within = |allowed: &String| {
            let rest = host.strip_suffix(allowed.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.') && !rest.contains('@'))
        };
        if uri.scheme_str() == Some("https") && self.hosts.iter().any(within) {
            return Ok(uri);
        }
        Err(rejected(FailClass::Setup, "a picture lies at a host that is not allowed"))
    }
}

async fn download(api: &Api, address: Uri) -> Result<Bytes, CallError> {
    let request = Request::get(address).body(Body::empty());
    let request = request.map_err(|_| no_image("this is no address"))?;
    let response = api.transport.send(request, TIMEOUT).await;
    let response = response.map_err(|error| Purpose::Free.transport(&error))?;
    let body = accepted(response)?;
    whole(body, MOST).await.map_err(|error| match error {
        ReadError::Cut(_) => Purpose::Free.lost(error.to_string()),
        ReadError::TooLarge(_) => no_image(&error.to_string()),
    })
}

fn accepted(response: Response<ByteStream>) -> Result<ByteStream, CallError> {
    let status = response.status();
    let reason = format!("HTTP {} for a picture", status.as_u16());
    match status.as_u16() {
        200 => Ok(response.into_body()),
        300..=399 => Err(rejected(FailClass::Setup, reason)),
        408 | 425 | 429 | 500.. => Err(not_created(reason, None)),
        400..=499 => Err(rejected(FailClass::Missing, reason)),
        // Half a picture, or none.
        _ => Err(not_created(reason, None)),
    }
}

/// What follows the scheme: `image/png;base64,iVBOR...`.
fn decoded(rest: &str) -> Result<Bytes, CallError> {
    let (kind, data) = rest.split_once(',').unwrap_or_default();
    if !kind.to_ascii_lowercase().ends_with(";base64") {
        return Err(no_image("this is no base64"));
    }
    if data.len().div_ceil(4) * 3 > MOST {
        return Err(no_image(&ReadError::TooLarge(MOST).to_string()));
    }
    let bytes = BASE64.decode(data).map_err(|_| no_image("this is no base64"))?;
    Ok(bytes.into())
}

fn no_image(reason: &str) -> CallError {
    rejected(FailClass::NoImage, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_hosts_are_trusted() {
        let mut delivery = Delivery::default();
        let trusted = |delivery: &Delivery, address| delivery.trusted(address).is_ok();
        for good in [
            "https://replicate.delivery/pbxt/a/out.png",
            "https://REPLICATE.delivery/xezq/a/out.png",
            "https://a.b.replicate.delivery/out.png?x=1",
        ] {
            assert!(trusted(&delivery, good), "{good}");
        }
        for bad in [
            "http://replicate.delivery/out.png",
            "https://evilreplicate.delivery/out.png",
            "https://replicate.delivery.evil.test/out.png",
            "https://evil.test/replicate.delivery",
            "https://evil.test#replicate.delivery",
            "https://replicate.delivery@evil.test/",
            "https://evil.test@a.replicate.delivery/",
            "https://a.replicate.delivery:8080/",
            "https://api.replicate.com/v1/files/a",
            "ftp://replicate.delivery/out.png",
            "/out.png",
            "out.png",
            "",
        ] {
            assert!(!trusted(&delivery, bad), "{bad}");
        }
        let local = "https://127.0.0.1:8080/out.png";
        assert!(!trusted(&delivery, local));
        delivery.allow("127.0.0.1:8080");
        assert!(trusted(&delivery, local));
    }

    #[test]
    fn data_is_decoded() {
        let of = |rest| decoded(rest).ok();
        assert_eq!(of("image/png;base64,aGk=").unwrap(), "hi");
        assert_eq!(of("image/png;x=y;BASE64,aGk").unwrap(), "hi");
        for bad in ["", ",", "image/png,aGk=", "image/png;base64", "image/png;base64,a$"] {
            assert_eq!(of(bad), None, "{bad}");
        }
        let large = format!("image/png;base64,{}", "A".repeat(MOST / 3 * 4 + 9));
        assert_eq!(decoded(&large).unwrap_err(), no_image(&ReadError::TooLarge(MOST).to_string()));
    }
}
