//! AWS Signature Version 4, as API Gateway checks it.

use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use http::{Request, Uri};
use tryon_lambda::environment::Environment;

/// What requests are signed with.
pub(super) struct Signer {
    credentials: Credentials,
    region: String,
}

impl Signer {
    /// From the environment; none for this machine, which asks for no signature.
    pub(super) fn new(
        url: &Uri,
        region: Option<&str>,
        environment: &Environment,
    ) -> Result<Option<Self>> {
        let host = url.host().unwrap_or_default();
        if ["127.0.0.1", "localhost", "[::1]"].contains(&host) {
            return Ok(None);
        }
        let of = |name| environment.optional(name);
        let (Some(id), Some(key)) = (of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY")) else {
            bail!("no AWS credentials in the environment: {RENEW}");
        };
        let token = of("AWS_SESSION_TOKEN").map(str::to_owned);
        let region = region.or_else(|| region_of(host)).or_else(|| of("AWS_REGION"));
        let region = region.or_else(|| of("AWS_DEFAULT_REGION"));
        let region = region.context("no region: give --region, or set AWS_REGION")?.to_owned();
        let credentials = Credentials::new(id, key, token, None, "environment");
        Ok(Some(Self { credentials, region }))
    }

    /// Adds the signature to the request, whose body this is.
    pub(super) fn sign<B>(
        &self,
        request: &mut Request<B>,
        body: &[u8],
        at: SystemTime,
    ) -> Result<()> {
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("execute-api")
            .time(at)
            .settings(SigningSettings::default())
            .build()?
            .into();
        let uri = request.uri().to_string();
        let headers = request.headers().iter();
        let headers =
            headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let headers: Vec<_> = headers.collect();
        let signable = SignableRequest::new(
            request.method().as_str(),
            uri,
            headers.into_iter(),
            SignableBody::Bytes(body),
        )?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}

/// How to come by new ones.
pub(super) const RENEW: &str = "run `aws sso login`, or as your house has it, then \
                                `eval \"$(aws configure export-credentials --format env)\"`";

/// The region in an address of API Gateway's own.
fn region_of(host: &str) -> Option<&str> {
    let mut parts = host.split('.').skip(1);
    (parts.next()? == "execute-api").then(|| parts.next())?
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("region", &self.region).finish_non_exhaustive()
    }
}
