//! A way round: requests for one provider's hosts go to a server that stands in for it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{
    Request, Response, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use tryon_core::ports::{Body, ByteStream, HttpTransport, TransportError};

/// Sends what is meant for `hosts`, and for those below them, to another server.
#[derive(Debug)]
pub struct Detour {
    inner: Arc<dyn HttpTransport>,
    hosts: &'static [&'static str],
    scheme: Scheme,
    authority: Authority,
}

impl Detour {
    /// None where `to` is no base URL, such as `http://127.0.0.1:8090`.
    pub fn new(
        inner: Arc<dyn HttpTransport>,
        hosts: &'static [&'static str],
        to: &str,
    ) -> Option<Self> {
        let parts = to.parse::<Uri>().ok()?.into_parts();
        Some(Self { inner, hosts, scheme: parts.scheme?, authority: parts.authority? })
    }

    fn leads(&self, host: &str) -> bool {
        self.hosts.iter().any(|known| {
            host.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }

    fn turned(&self, uri: &Uri) -> Option<Uri> {
        let path = uri.path_and_query().cloned();
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path.unwrap_or(PathAndQuery::from_static("/")))
            .build()
            .ok()
    }
}

#[async_trait]
impl HttpTransport for Detour {
    async fn send(
        &self,
        mut request: Request<Body>,
        timeout: Duration,
    ) -> Result<Response<ByteStream>, TransportError> {
        if request.uri().host().is_some_and(|host| self.leads(host))
            && let Some(uri) = self.turned(request.uri())
        {
            *request.uri_mut() = uri;
        }
        self.inner.send(request, timeout).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    #[test]
    fn the_hosts_and_those_below_them_are_led_away() {
        let inner = Arc::new(Script::default());
        let hosts: &[&str] = &["replicate.com", "replicate.delivery"];
        let detour = Detour::new(inner.clone(), hosts, "http://127.0.0.1:8090").unwrap();
        let to = |uri: &str| {
            let uri: Uri = uri.parse().unwrap();
            detour.leads(uri.host().unwrap()).then(|| detour.turned(&uri).unwrap().to_string())
        };
        assert_eq!(
            to("https://api.replicate.com/v1/predictions?a=b").as_deref(),
            Some("http://127.0.0.1:8090/v1/predictions?a=b")
        );
        assert_eq!(
            to("https://replicate.delivery/a.png").as_deref(),
            Some("http://127.0.0.1:8090/a.png")
        );
        assert_eq!(to("https://notreplicate.com/a"), None);
        assert!(Detour::new(inner, hosts, "127.0.0.1").is_none());
    }
}
