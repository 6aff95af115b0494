use std::{fmt, sync::OnceLock, time::Duration};

use aws_config::{
    BehaviorVersion, Region, SdkConfig,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    meta::region::ProvideRegion,
    retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    runtime_components::RuntimeComponents,
};

/// One try of a call to a control or data service; each answers within tens of milliseconds.
const TRY: Duration = Duration::from_secs(3);
/// All tries of a call together: well within every function's time limit.
const CALL: Duration = Duration::from_secs(8);
/// S3 moves megabytes.
const OBJECT_TRY: Duration = Duration::from_secs(20);
const OBJECT_CALL: Duration = Duration::from_secs(45);
const CONNECT: Duration = Duration::from_secs(1);
/// Together with the first one. Behind them stands the SDK's own budget for a process: once failures
/// have drained it, calls are tried but once until some succeed.
const TRIES: u32 = 3;
/// The ceiling of the wait before the second try, which doubles for the third.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);

/// The service clients of a process over one pool of connections, each built when it is first asked
/// for: a function pays for what it uses.
pub struct Clients {
    config: SdkConfig,
    ssm: OnceLock<aws_sdk_ssm::Client>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
    eventbridge: OnceLock<aws_sdk_eventbridge::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
}

impl Clients {
    /// From the environment, where Lambda puts all of it: region, credentials, `AWS_ENDPOINT_URL`.
    /// Profiles, roles to assume and metadata services are not looked for; their code would be a
    /// tenth of every function.
    pub async fn from_env() -> Self {
        let tls = Provider::Rustls(CryptoMode::Ring);
        let http = Late(Builder::new().tls_provider(tls).build_https());
        let region = EnvironmentVariableRegionProvider::new().region().await;
        let credentials = EnvironmentVariableCredentialsProvider::new();
        let mut config = config(http, region, credentials).into_builder();
        config.set_endpoint_url(endpoint());
        Self::new(config.build())
    }

    pub(crate) const fn new(config: SdkConfig) -> Self {
        Self {
            config,
            ssm: OnceLock::new(),
            dynamodb: OnceLock::new(),
            sqs: OnceLock::new(),
            eventbridge: OnceLock::new(),
            s3: OnceLock::new(),
        }
    }

    /// What they share: region, credentials, connections.
    pub const fn config(&self) -> &SdkConfig {
        &self.config
    }

    pub fn ssm(&self) -> &aws_sdk_ssm::Client {
        self.ssm.get_or_init(|| aws_sdk_ssm::Client::new(&self.config))
    }

    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        self.dynamodb.get_or_init(|| aws_sdk_dynamodb::Client::new(&self.config))
    }

    pub fn sqs(&self) -> &aws_sdk_sqs::Client {
        self.sqs.get_or_init(|| aws_sdk_sqs::Client::new(&self.config))
    }

    pub fn eventbridge(&self) -> &aws_sdk_eventbridge::Client {
        self.eventbridge.get_or_init(|| aws_sdk_eventbridge::Client::new(&self.config))
    }

    pub fn s3(&self) -> &aws_sdk_s3::Client {
        self.s3.get_or_init(|| {
            let config = aws_sdk_s3::config::Builder::from(&self.config)
                .timeout_config(timeouts(OBJECT_TRY, OBJECT_CALL))
                // Local endpoints have no host name for each bucket.
                .force_path_style(self.config.endpoint_url().is_some());
            aws_sdk_s3::Client::from_conf(config.build())
        })
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

/// Connections that read the system's certificates when the first one is to be opened. On their own they do
/// as soon as a client is built, which would be half of a function's start.
#[derive(Debug)]
struct Late(SharedHttpClient);

impl HttpClient for Late {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }
}

#[expect(clippy::disallowed_methods, reason = "a bootstrap reads the environment, once")]
fn endpoint() -> Option<String> {
    std::env::var("AWS_ENDPOINT_URL").ok().filter(|url| !url.is_empty())
}

/// With the patience that every call has, but for those to S3.
pub(crate) fn config(
    http: impl HttpClient + 'static,
    region: Option<Region>,
    credentials: impl ProvideCredentials + 'static,
) -> SdkConfig {
    let retries = RetryConfig::standard();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .region(region)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .timeout_config(short())
        .retry_config(retries.with_max_attempts(TRIES).with_initial_backoff(FIRST_BACKOFF))
        .build()
}

/// The patience of a call that moves little.
pub(crate) fn short() -> TimeoutConfig {
    timeouts(TRY, CALL)
}

fn timeouts(each: Duration, all: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(each)
        .operation_timeout(all)
        .build()
}
