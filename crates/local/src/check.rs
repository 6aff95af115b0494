//! `tryon check`: what is there and what is missing, before anything is bought.

use std::{fs, io::Write, path::Path, sync::Arc};

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use tryon_core::{
    catalogue::{Catalogue, Quality},
    memory::{Chaos, MemorySecrets, MemorySettings, TokioClock},
    ports::{Clock, Secret, SecretName},
    settings::Settings,
};
use tryon_lambda::environment::Environment;
use tryon_providers::{
    Finding, State,
    google::{Auth, Connection, Host, SelfCheck},
    replicate,
};
use tryon_sandbox::{Sandbox, SandboxConfig};

use crate::{
    cli,
    google::{Google, Way},
    report::table,
};

/// Runs the command, writing the findings to `out`. An error where something is missing.
pub fn run(args: &cli::Check, environment: &Environment, out: &mut impl Write) -> Result<()> {
    match (args.what, &args.file) {
        (cli::Checked::Catalogue, Some(file)) => catalogue(file, TokioClock::real().now(), out),
        (cli::Checked::Catalogue, None) => bail!("name the catalogue's file"),
        (cli::Checked::Google | cli::Checked::Replicate, Some(_)) => {
            bail!("a provider is checked without a file")
        }
        (cli::Checked::Google, None) => tell(&google(args, environment)?, out),
        (cli::Checked::Replicate, None) => tell(&replicate(args, environment)?, out),
    }
}

/// Checks a catalogue as a function does that finds it in the bucket, and says what it changes.
fn catalogue(file: &Path, now: DateTime<Utc>, out: &mut impl Write) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    let built_in = Catalogue::built_in()?;
    let catalogue = Catalogue::parse_override(&text, &built_in)?;
    let mut table = table(&["quality", "entry", "model"], 3);
    for quality in Quality::ALL {
        let serving = catalogue.entry_for(quality, now.date_naive());
        let (id, model) = serving.map_or(("nobody", ""), |(id, e)| (id.as_str(), &*e.model));
        table.add_row([quality.as_str(), id, model]);
    }
    writeln!(out, "{table}")?;
    for (id, _) in built_in.entries().filter(|(id, _)| catalogue.get(id).is_none()) {
        writeln!(out, "dropped: {id}; whoever waits to be bought by it goes to what serves then")?;
    }
    Ok(())
}

fn google(args: &cli::Check, environment: &Environment) -> Result<Vec<Finding>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::real());
    let google = if args.live {
        crate::google::live(&args.google, environment)?
    } else {
        sandbox(clock.clone())
    };
    let settings = crate::google::settings(&args.google, Settings::default())?;
    Ok(runtime.block_on(findings(&google, settings, clock)))
}

fn replicate(args: &cli::Check, environment: &Environment) -> Result<Vec<Finding>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::real());
    let way = if args.live {
        crate::replicate::live(&args.replicate, environment)?
    } else {
        predictions(clock.clone())
    };
    let catalogue = Catalogue::built_in()?;
    let models = catalogue.predictions().map(|(_, model)| model);
    Ok(runtime.block_on(self_check_of(&way, clock).run(models)))
}

/// Writes what was found. An error where something is missing.
fn tell(findings: &[Finding], out: &mut impl Write) -> Result<()> {
    writeln!(out, "{}", shown(findings))?;
    out.flush()?;
    match findings.iter().filter(|finding| finding.state.trouble().is_some()).count() {
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

/// The sandbox as Replicate.
fn predictions(clock: Arc<dyn Clock>) -> Way {
    let sandbox = Sandbox::new(SandboxConfig::default(), clock);
    let key = (SecretName::ReplicateToken, Secret::new(sandbox.replicate_token()));
    let secrets = Arc::new(MemorySecrets::new(Arc::new(Chaos::seeded(0)), [key]));
    Way { transport: sandbox.transport(), secrets }
}

async fn findings(google: &Google, settings: Settings, clock: Arc<dyn Clock>) -> Vec<Finding> {
    let (Some(check), Ok(catalogue)) =
        (self_check(google, settings, clock.clone()), Catalogue::built_in())
    else {
        return Vec::new();
    };
    let day = clock.now().date_naive();
    check.run(&catalogue.serving(day)).await
}

/// Says what is missing of the credentials, before a render is begun with them.
pub async fn credentials(google: &Google, settings: Settings, clock: Arc<dyn Clock>) -> Result<()> {
    let Some(check) = self_check(google, settings, clock) else {
        return Ok(());
    };
    for finding in check.credentials().await {
        if let Some(why) = finding.state.trouble() {
            bail!("{}: {why}", finding.what);
        }
    }
    Ok(())
}

/// The same of the token for Replicate.
pub async fn token(way: &Way, clock: Arc<dyn Clock>) -> Result<()> {
    let Finding { what, state } = self_check_of(way, clock).credentials().await;
    match state.trouble() {
        Some(why) => bail!("{what}: {why}"),
        None => Ok(()),
    }
}

fn self_check_of(way: &Way, clock: Arc<dyn Clock>) -> replicate::SelfCheck {
    replicate::SelfCheck::new(way.transport.clone(), way.secrets.clone(), clock)
}

fn self_check(google: &Google, settings: Settings, clock: Arc<dyn Clock>) -> Option<SelfCheck> {
    let way = google.way.clone()?;
    let settings = Arc::new(MemorySettings::new(settings));
    let connection = Connection::new(way.transport, way.secrets, settings, clock)
        .by_user_project(google.user_project.clone());
    Some(SelfCheck { connection, host: google.host, batch_auth: google.batch_auth })
}

fn shown(findings: &[Finding]) -> String {
    let mut table = table(&["what", "state", "more"], 3);
    for Finding { what, state } in findings {
        let (word, more) = match state {
            State::Good(more) => ("good", more),
            State::Missing(more) => ("missing", more),
            State::Unanswered(more) => ("unanswered", more),
            State::Skipped(more) => ("skipped", more),
        };
        table.add_row([what, word, more]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests;
