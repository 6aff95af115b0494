use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;

use super::{
    chaos::{Call, Chaos, yield_once},
    lock, opaque_debug,
};
use crate::{
    ports::{Knobs, PortError, Secret, SecretName, Secrets, SettingsSource},
    settings::{BadKnob, Settings},
};

/// The knobs, to be turned at run time.
#[derive(Debug)]
pub struct MemorySettings(Mutex<Settings>);

impl MemorySettings {
    pub fn new(settings: Settings) -> Self {
        Self(Mutex::new(settings))
    }

    /// Turns one knob by its name.
    pub fn set(&self, name: &str, text: &str) -> Result<(), BadKnob> {
        lock(&self.0).set(name, text)
    }

    pub fn replace(&self, settings: Settings) {
        *lock(&self.0) = settings;
    }
}

#[async_trait]
impl SettingsSource for MemorySettings {
    /// Never fails: the port's source keeps the last good values.
    async fn settings(&self) -> Settings {
        yield_once().await;
        let settings = lock(&self.0).clone();
        yield_once().await;
        settings
    }
}

#[async_trait]
impl Knobs for MemorySettings {
    async fn turn(&self, name: &str, text: &str) -> Result<(), PortError> {
        yield_once().await;
        self.set(name, text).map_err(|bad| PortError::Broken(bad.to_string()))
    }
}

/// Secrets, with the cache that a real source has: a new value shows where `fresh` is asked for.
pub struct MemorySecrets {
    chaos: Arc<Chaos>,
    values: Mutex<Values>,
}

opaque_debug!(MemorySecrets);

#[derive(Default)]
struct Values {
    stored: BTreeMap<SecretName, Secret>,
    cached: BTreeMap<SecretName, Secret>,
}

impl MemorySecrets {
    pub fn new(chaos: Arc<Chaos>, secrets: impl IntoIterator<Item = (SecretName, Secret)>) -> Self {
        let stored = secrets.into_iter().collect();
        Self { chaos, values: Mutex::new(Values { stored, ..Values::default() }) }
    }

    /// Stores a new value.
    pub fn set(&self, name: SecretName, secret: Secret) {
        lock(&self.values).stored.insert(name, secret);
    }
}

#[async_trait]
impl Secrets for MemorySecrets {
    async fn secret(&self, name: SecretName, fresh: bool) -> Result<Secret, PortError> {
        self.chaos
            .call(Call::Secret, |_| {
                let mut values = lock(&self.values);
                if let Some(cached) = values.cached.get(&name).filter(|_| !fresh) {
                    return Ok(cached.clone());
                }
                let missing = || PortError::Unavailable(format!("secret {name:?} is not there"));
                let secret = values.stored.get(&name).cloned().ok_or_else(missing)?;
                values.cached.insert(name, secret.clone());
                Ok(secret)
            })
            .await
    }
}
