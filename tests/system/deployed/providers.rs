//! Google and Replicate, as the deployed functions find them.

use std::{
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{Method, Request};
use tryon_aws::Clients;
use tryon_core::ports::{Body, HttpTransport};
use tryon_lambda::system::SystemClock;
use tryon_providers::ReqwestTransport;
use tryon_sandbox::{Bucket, JobTime, Latency, Pictures, Sandbox, SandboxConfig};

use super::stack::{CALL, given};

/// Both providers, on the port at which the stack expects them, for as long as the process lasts.
pub(super) fn providers() -> Sandbox {
    static PROVIDERS: OnceLock<Sandbox> = OnceLock::new();
    let start = || {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(serve(&sender));
        });
        receiver.recv().unwrap()
    };
    PROVIDERS.get_or_init(start).clone()
}

async fn serve(started: &mpsc::Sender<Sandbox>) {
    let base = given("TRYON_TEST_PROVIDERS");
    let config = SandboxConfig {
        pictures: Pictures::Canned { bytes: 50_000 },
        latency: Latency::Fixed(Duration::from_secs(1)),
        job_time: JobTime::Fixed(Duration::from_secs(6)),
        // The functions find this one at the address above, too.
        delivery_url: Some("https://replicate.delivery".to_owned()),
        ..SandboxConfig::default()
    };
    let catalogue = tryon_core::catalogue::Catalogue::built_in().unwrap();
    let sandbox = Sandbox::new(config.priced_by(&catalogue), std::sync::Arc::new(SystemClock));
    sandbox.set_bucket(std::sync::Arc::new(HttpBucket(ReqwestTransport::new().unwrap())));
    let clients = Clients::from_env().await;
    let account = sandbox.service_account_json_at(&format!("{base}/token"));
    for (name, text) in [
        ("/garmaxai/gemini/local/service-account-json", account.as_str()),
        ("/garmaxai/replicate/local/api-token", sandbox.replicate_token()),
    ] {
        let put = clients.ssm().put_parameter().name(name).value(text).overwrite(true);
        put.r#type("SecureString".into()).send().await.unwrap();
    }
    let address = base.strip_prefix("http://").unwrap().parse().unwrap();
    let server = sandbox.serve(address, std::future::pending()).await.unwrap();
    started.send(sandbox).unwrap();
    server.run().await.unwrap();
}

/// Input pictures, read over HTTP as a provider does.
#[derive(Debug)]
struct HttpBucket(ReqwestTransport);

#[async_trait]
impl Bucket for HttpBucket {
    async fn read(&self, url: &str) -> Option<Bytes> {
        let request = Request::builder().method(Method::GET).uri(url).body(Body::empty()).ok()?;
        let response = self.0.send(request, CALL).await.ok()?;
        let good = response.status().is_success();
        let pieces: Vec<_> = response.into_body().try_collect().await.ok()?;
        good.then(|| pieces.concat().into())
    }
}
