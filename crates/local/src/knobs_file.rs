//! The knobs from a TOML file, which stands for the Parameter Store in a local run.

#[cfg(test)]
mod tests;
mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;
use tryon_core::{
    ports::{Clock, Knobs, PortError, SettingsSource},
    settings::{BadKnob, KNOBS, Settings},
};

/// Knobs that follow a file: read again when they are older than the cache time, by one caller while
/// the others wait. What cannot be used is logged once, and the last good value stays in force.
#[derive(Debug)]
pub struct FileSettings {
    path: PathBuf,
    cache: TimeDelta,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    read_at: DateTime<Utc>,
    /// The good text of every knob that the file sets.
    texts: BTreeMap<&'static str, String>,
    settings: Settings,
    /// What was wrong with the file when it was last read.
    faults: BTreeSet<String>,
}

/// A file as read: the good texts, and what is wrong with the rest.
struct Reading {
    texts: BTreeMap<&'static str, String>,
    /// Knobs whose text cannot be used.
    bad: BTreeSet<&'static str>,
    faults: BTreeSet<String>,
}

impl FileSettings {
    /// Reads the file, or makes it where there is none. Nothing wrong in it is overlooked here.
    pub fn open(path: &Path, cache: Duration, clock: Arc<dyn Clock>) -> Result<Self> {
        create(path)?;
        let text = fs::read_to_string(path).map_err(|error| anyhow::anyhow!(unreadable(&error)))?;
        let Reading { texts, faults, .. } = Reading::of(&text).map_err(anyhow::Error::msg)?;
        if !faults.is_empty() {
            bail!("{}", Vec::from_iter(faults).join("; "));
        }
        let state = State {
            read_at: clock.now(),
            settings: settings(&texts),
            texts,
            faults: BTreeSet::new(),
        };
        let cache = TimeDelta::from_std(cache).context("the cache time is too long")?;
        Ok(Self { path: path.to_owned(), cache, clock, state: Mutex::new(state) })
    }
}

#[async_trait]
impl SettingsSource for FileSettings {
    async fn settings(&self) -> Settings {
        let mut state = self.state.lock().await;
        if self.clock.now().signed_duration_since(state.read_at) >= self.cache {
            let text = tokio::fs::read_to_string(&self.path).await;
            let read = text.map_err(|error| unreadable(&error)).and_then(|text| Reading::of(&text));
            for fault in state.take(read) {
                tracing::warn!(fault, "a part of the knobs file is not in force");
            }
            state.read_at = self.clock.now();
        }
        state.settings.clone()
    }
}

/// Whoever turns a knob writes it into the file, where the next read finds it.
#[async_trait]
impl Knobs for FileSettings {
    async fn turn(&self, name: &str, text: &str) -> Result<(), PortError> {
        let bad = |bad: BadKnob| PortError::Broken(bad.to_string());
        Settings::default().set(name, text).map_err(bad)?;
        let mut state = self.state.lock().await;
        let lost = |error: std::io::Error| PortError::Unavailable(unreadable(&error));
        let before = tokio::fs::read_to_string(&self.path).await.map_err(lost)?;
        let after = text::with(&before, name, text);
        tokio::fs::write(&self.path, after).await.map_err(lost)?;
        state.read_at = DateTime::<Utc>::MIN_UTC;
        Ok(())
    }
}

impl State {
    /// Puts what is good in force; gives what has become wrong since the last time.
    fn take(&mut self, read: Result<Reading, String>) -> Vec<String> {
        let faults = match read {
            Err(fault) => BTreeSet::from([fault]),
            Ok(Reading { mut texts, bad, faults }) => {
                let kept = bad.iter().filter_map(|name| self.texts.remove_entry(name));
                texts.extend(kept.collect::<Vec<_>>());
                let next = settings(&texts);
                if next != self.settings {
                    tracing::info!("the knobs were turned");
                }
                self.settings = next;
                self.texts = texts;
                faults
            }
        };
        let new = faults.difference(&self.faults).cloned().collect();
        self.faults = faults;
        new
    }
}

impl Reading {
    /// An error where nothing of the text can be read.
    fn of(text: &str) -> Result<Self, String> {
        let table = text::read(text)?;
        let mut reading =
            Self { texts: BTreeMap::new(), bad: BTreeSet::new(), faults: BTreeSet::new() };
        for (name, value) in table {
            let knob = KNOBS.iter().find(|knob| knob.name == name);
            // A value that is no plain text is one that no knob takes.
            let value = value.unwrap_or_else(|| "\u{0}".to_owned());
            let knob = knob.map(|knob| knob.name);
            match Settings::default().set(&name, &value) {
                Ok(()) => reading.texts.extend(knob.map(|name| (name, value))),
                Err(fault) => {
                    reading.bad.extend(knob);
                    reading.faults.insert(fault.to_string());
                }
            }
        }
        Ok(reading)
    }
}

/// The settings that follow from good texts; a knob that the file does not set has its default.
fn settings(texts: &BTreeMap<&'static str, String>) -> Settings {
    let mut settings = Settings::default();
    for (name, text) in texts {
        // Only texts that were tried are kept.
        settings.set(name, text).ok();
    }
    settings
}

/// Writes the file where there is none.
fn create(path: &Path) -> Result<()> {
    let made = fs::OpenOptions::new().write(true).create_new(true).open(path);
    match made {
        Ok(mut file) => file.write_all(text::local().as_bytes()).context("it cannot be written"),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => bail!("it cannot be made ({error}); give a file in a folder that exists"),
    }
}

fn unreadable(error: &std::io::Error) -> String {
    format!("the file cannot be read ({error}); give a TOML file")
}
