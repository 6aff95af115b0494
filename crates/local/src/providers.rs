//! `tryon providers`: the sandbox on a port, for functions that run elsewhere.

use std::{fs, io::Write, path::Path, sync::Arc};

use anyhow::{Context, Result};
use async_trait::async_trait;
use bytes::Bytes;
use tryon_core::{catalogue::Catalogue, memory::TokioClock, ports::Clock};
use tryon_sandbox::{Bucket, Sandbox, SandboxConfig};

use crate::{
    cli,
    interrupt::{Interrupt, Interrupted},
};

/// Whom every prediction is shown.
const PERSON: &[u8] = include_bytes!("../assets/person.jpg");

/// Serves until Ctrl-C; tells on `out` where.
pub fn run(args: &cli::Providers, out: &mut impl Write) -> Result<()> {
    let interrupt = Interrupt::watch()?;
    // With several threads others are answered while a picture is being drawn.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(args, &interrupt, out))
}

async fn serve(args: &cli::Providers, interrupt: &Interrupt, out: &mut impl Write) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::real());
    let sandbox = sandbox(args.latency, clock.clone())?;
    let until = interrupt.clone().pressed(clock);
    let server = sandbox.serve((args.host, args.port).into(), until).await.with_context(|| {
        let cli::Providers { host, port, .. } = args;
        format!("{host}:{port} cannot be had; give another --port, or 0 for any that is free")
    })?;
    let address = format!("http://{}", server.addr());
    write_secrets(&sandbox, args.url.as_deref().unwrap_or(&address), &args.secrets)
        .with_context(|| format!("--secrets {}", args.secrets.display()))?;
    writeln!(out, "serving  {address} (Google and Replicate; Ctrl-C ends it)")?;
    writeln!(out, "secrets  {}", args.secrets.display())?;
    out.flush()?;
    server.run().await?;
    Err(Interrupted.into())
}

fn sandbox(latency: Option<u32>, clock: Arc<dyn Clock>) -> Result<Sandbox> {
    let config = SandboxConfig {
        // Whoever called this address is led back to it.
        delivery_url: Some("https://replicate.delivery".to_owned()),
        ..SandboxConfig::default()
    };
    let sandbox = Sandbox::new(config.taking(latency).priced_by(&Catalogue::built_in()?), clock);
    sandbox.set_bucket(Arc::new(Person));
    Ok(sandbox)
}

fn write_secrets(sandbox: &Sandbox, url: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let account = sandbox.service_account_json_at(&format!("{url}/token"));
    fs::write(folder.join("service-account.json"), account)?;
    fs::write(folder.join("token.txt"), sandbox.replicate_token())?;
    Ok(())
}

/// The same picture at every address.
#[derive(Debug)]
struct Person;

#[async_trait]
impl Bucket for Person {
    async fn read(&self, _url: &str) -> Option<Bytes> {
        Some(Bytes::from_static(PERSON))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_secrets_lead_to_where_functions_find_it() {
        let folder = std::env::temp_dir().join(format!("tryon-providers-{}", std::process::id()));
        let sandbox = sandbox(Some(1), Arc::new(TokioClock::real())).unwrap();
        write_secrets(&sandbox, "http://172.17.0.1:8090", &folder).unwrap();
        let read = |name| fs::read_to_string(folder.join(name)).unwrap();
        let account: Value = serde_json::from_str(&read("service-account.json")).unwrap();
        assert_eq!(account["token_uri"], "http://172.17.0.1:8090/token");
        assert_eq!(read("token.txt"), sandbox.replicate_token());
        fs::remove_dir_all(folder).unwrap();
    }
}
