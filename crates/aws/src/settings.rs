//! The knobs from Parameter Store.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_ssm::{
    Client,
    config::{Config, timeout::TimeoutConfig},
};
use chrono::{DateTime, TimeDelta, Utc};
use tryon_core::{
    ports::{Clock, PortError, SettingsSource},
    routing::Percent,
    settings::{BadKnob, KNOBS, Settings},
};

use crate::errors::port_error;

/// How long the knobs are good for once they were read.
const CACHE: TimeDelta = TimeDelta::seconds(15);
/// While one caller reads, the others go on with knobs up to this age.
const STALE: TimeDelta = TimeDelta::seconds(20);
/// How soon a read that failed is tried again.
const AGAIN: TimeDelta = TimeDelta::seconds(2);
/// The longest a read takes: a shopper waits for it, and there are good settings without it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The knobs below `/garmaxai/gemini/${Stage}/`, read in one call.
///
/// A missing parameter has the environment's value, and a bad one its last good value. While the
/// store cannot be read, the last good settings stay in force; before the first read nobody goes to
/// Gemini.
pub struct ParameterSettings {
    ssm: Client,
    clock: Arc<dyn Clock>,
    prefix: String,
    /// What the environment says.
    base: Settings,
    known: Mutex<Known>,
    /// Held over a read, so that there is one at a time.
    reading: tokio::sync::Mutex<()>,
}

impl fmt::Debug for ParameterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParameterSettings").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

struct Known {
    settings: Settings,
    /// When the store was last asked, with or without success.
    asked_at: DateTime<Utc>,
    /// When to read again.
    due_at: DateTime<Utc>,
    /// The good text of each parameter there is.
    texts: BTreeMap<&'static str, String>,
    /// The text of each parameter that could not be used when it was last read.
    bad: BTreeMap<&'static str, String>,
}

/// The settings that the environment gives: the knobs' own defaults but for the variables among
/// `values` that are named in [`KNOBS`].
pub fn from_env_values<'a>(
    values: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Settings, BadKnob> {
    let mut settings = Settings::default();
    for (env, text) in values {
        if let Some(knob) = KNOBS.iter().find(|knob| knob.env == env) {
            let bad = |bad: BadKnob| BadKnob { name: env.to_owned(), ..bad };
            settings.set(knob.name, text).map_err(bad)?;
        }
    }
    Ok(settings)
}

impl ParameterSettings {
    /// `base` are the values of missing parameters.
    pub fn new(ssm: Client, clock: Arc<dyn Clock>, stage: &str, base: Settings) -> Self {
        let nobody = Settings { traffic_percent: Percent::ZERO, ..base.clone() };
        let never = DateTime::<Utc>::MIN_UTC;
        Self {
            ssm,
            clock,
            prefix: format!("/garmaxai/gemini/{stage}/"),
            base,
            known: Mutex::new(Known {
                settings: nobody,
                asked_at: never,
                due_at: never,
                texts: BTreeMap::new(),
                bad: BTreeMap::new(),
            }),
            reading: tokio::sync::Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The settings, unless they are to be read again.
    fn cached(&self) -> Option<Settings> {
        let now = self.clock.now();
        let known = self.known();
        (now < known.due_at).then(|| known.settings.clone())
    }

    /// The settings, unless they are old. While the store is away there are no younger ones.
    fn recent(&self) -> Option<Settings> {
        let now = self.clock.now();
        let known = self.known();
        (now.signed_duration_since(known.asked_at) < STALE).then(|| known.settings.clone())
    }

    async fn read(&self) -> Settings {
        let found = self.ask().await;
        let now = self.clock.now();
        let mut known = self.known();
        known.asked_at = now;
        match found {
            Ok(found) => {
                known.take(&found, &self.base);
                known.due_at = now + CACHE;
            }
            Err(error) => {
                tracing::warn!(%error, "the knobs cannot be read; the last good ones stay in force");
                known.due_at = now + AGAIN;
            }
        }
        known.settings.clone()
    }

    /// The texts of the parameters that there are, by knob.
    async fn ask(&self) -> Result<BTreeMap<&'static str, String>, PortError> {
        let name = |knob: &str| format!("{}{knob}", self.prefix);
        let names = KNOBS.iter().map(|knob| name(knob.name)).collect();
        let call = self.ssm.get_parameters().set_names(Some(names)).customize();
        let time = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
        let call = call.config_override(Config::builder().timeout_config(time));
        let answer = call.send().await;
        let answer = answer.map_err(|error| port_error("GetParameters", &error))?;
        let text = |knob: &str| {
            let name = name(knob);
            let parameter = answer.parameters().iter().find(|p| p.name() == Some(&name))?;
            parameter.value().map(str::to_owned)
        };
        Ok(KNOBS.iter().filter_map(|knob| Some((knob.name, text(knob.name)?))).collect())
    }
}

#[async_trait]
impl SettingsSource for ParameterSettings {
    async fn settings(&self) -> Settings {
        if let Some(settings) = self.cached() {
            return settings;
        }
        let turn = match self.reading.try_lock() {
            Ok(turn) => turn,
            Err(_) => match self.recent() {
                Some(settings) => return settings,
                None => self.reading.lock().await,
            },
        };
        // Somebody may have read in the meantime.
        let settings = match self.cached() {
            Some(settings) => settings,
            None => self.read().await,
        };
        drop(turn);
        settings
    }

    async fn fresh(&self) -> Result<Settings, PortError> {
        let found = self.ask().await?;
        let now = self.clock.now();
        let mut known = self.known();
        known.asked_at = now;
        known.due_at = now + CACHE;
        known.take(&found, &self.base);
        Ok(known.settings.clone())
    }
}

impl Known {
    /// Puts what was found in force, as far as it can be used.
    fn take(&mut self, found: &BTreeMap<&'static str, String>, base: &Settings) {
        self.texts.retain(|name, _| found.contains_key(name));
        self.bad.retain(|name, _| found.contains_key(name));
        for (&name, text) in found {
            match Settings::default().set(name, text) {
                Ok(()) => {
                    self.texts.insert(name, text.clone());
                    self.bad.remove(name);
                }
                Err(fault) => {
                    if self.bad.insert(name, text.clone()).as_ref() != Some(text) {
                        tracing::error!(%fault, "a knob is not in force; its last good value is");
                    }
                }
            }
        }
        let mut settings = base.clone();
        for (name, text) in &self.texts {
            // Only texts that were tried are kept.
            settings.set(name, text).ok();
        }
        if settings != self.settings {
            tracing::info!("the knobs were turned");
        }
        self.settings = settings;
    }
}
