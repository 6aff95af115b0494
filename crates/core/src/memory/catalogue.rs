use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{
    chaos::{Call, Chaos},
    lock, opaque_debug,
};
use crate::ports::{CatalogueStore, Override, PortError};

/// The place where ops put a catalogue.
pub struct MemoryCatalogue {
    chaos: Arc<Chaos>,
    stored: Mutex<Stored>,
}

opaque_debug!(MemoryCatalogue);

#[derive(Default)]
struct Stored {
    text: Option<String>,
    version: u64,
}

impl MemoryCatalogue {
    pub fn new(chaos: Arc<Chaos>) -> Self {
        Self { chaos, stored: Mutex::default() }
    }

    /// Puts a catalogue there, or takes it away.
    pub fn put(&self, text: Option<&str>) {
        let mut stored = lock(&self.stored);
        stored.text = text.map(str::to_owned);
        stored.version += 1;
    }
}

#[async_trait]
impl CatalogueStore for MemoryCatalogue {
    async fn read(&self, known: Option<&str>) -> Result<Override, PortError> {
        let effect = |_| {
            let stored = lock(&self.stored);
            let version = stored.version.to_string();
            Ok(match &stored.text {
                None => Override::Absent,
                Some(_) if known == Some(version.as_str()) => Override::Same,
                Some(text) => Override::New { text: text.clone(), version },
            })
        };
        self.chaos.call(Call::CatalogueRead, effect).await
    }
}
