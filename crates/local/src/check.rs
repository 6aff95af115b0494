//! `tryon check google`: what is there and what is missing, before anything is bought.

use std::{io::Write, sync::Arc};

use anyhow::{Result, bail};
use tryon_core::{
    catalogue::{Catalogue, Quality},
    memory::{Chaos, MemorySecrets, MemorySettings, TokioClock},
    ports::{Clock, Secret, SecretName},
    settings::Settings,
};
use tryon_lambda::environment::Environment;
use tryon_providers::google::{
    Auth, Connection, Host, SelfCheck,
    check::{Finding, State},
};
use tryon_sandbox::{Sandbox, SandboxConfig};

use crate::{
    cli,
    google::{self, Google, Way},
    report::table,
};

/// Runs the command, writing the findings to `out`. An error where something is missing.
pub fn run(args: &cli::Check, environment: &Environment, out: &mut impl Write) -> Result<()> {
    let cli::Checked::Google = args.provider;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::real());
    let google =
        if args.live { google::live(&args.google, environment)? } else { sandbox(clock.clone()) };
    let settings = google::settings(&args.google, Settings::default())?;
    let findings = runtime.block_on(findings(&google, settings, clock));
    writeln!(out, "{}", shown(&findings))?;
    out.flush()?;
    match findings.iter().filter(|finding| finding.state.is_missing()).count() {
        0 => Ok(()),
        1 => bail!("one thing is missing"),
        more => bail!("{more} things are missing"),
    }
}

fn sandbox(clock: Arc<dyn Clock>) -> Google {
    let sandbox = Sandbox::new(SandboxConfig::default(), clock);
    let key = (SecretName::ServiceAccount, Secret::new(sandbox.service_account_json()));
    let secrets = Arc::new(MemorySecrets::new(Arc::new(Chaos::seeded(0)), [key]));
    let way = Way { transport: sandbox.transport(), secrets };
    Google { way: Some(way), host: Host::Developer(Auth::Bearer), ..Google::default() }
}

async fn findings(google: &Google, settings: Settings, clock: Arc<dyn Clock>) -> Vec<Finding> {
    let (Some(check), Ok(catalogue)) =
        (self_check(google, settings, clock.clone()), Catalogue::built_in())
    else {
        return Vec::new();
    };
    let day = clock.now().date_naive();
    let serving = Quality::ALL.into_iter().filter_map(|quality| catalogue.entry_for(quality, day));
    let mut models: Vec<&str> = serving.map(|(_, entry)| entry.model.as_str()).collect();
    models.sort_unstable();
    models.dedup();
    check.run(&models).await
}

/// Says what is missing of the credentials, before a render is begun with them.
pub async fn credentials(google: &Google, settings: Settings, clock: Arc<dyn Clock>) -> Result<()> {
    let Some(check) = self_check(google, settings, clock) else {
        return Ok(());
    };
    for finding in check.credentials().await {
        if let State::Missing(why) = finding.state {
            bail!("{}: {why}", finding.what);
        }
    }
    Ok(())
}

fn self_check(google: &Google, settings: Settings, clock: Arc<dyn Clock>) -> Option<SelfCheck> {
    let way = google.way.clone()?;
    let settings = Arc::new(MemorySettings::new(settings));
    let connection = Connection::new(way.transport, way.secrets, settings, clock);
    Some(SelfCheck { connection, host: google.host, batch_auth: google.batch_auth })
}

fn shown(findings: &[Finding]) -> String {
    let mut table = table(&["what", "state", "more"], 3);
    for Finding { what, state } in findings {
        let (word, more) = match state {
            State::Good(more) => ("good", more),
            State::Missing(more) => ("missing", more),
            State::Skipped(more) => ("skipped", more),
        };
        table.add_row([what, word, more]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests;
