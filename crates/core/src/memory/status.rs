use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;

use super::lock;
use crate::ports::{PortError, StatusBoard, StatusName};

/// The last status of each name.
#[derive(Debug, Default)]
pub struct MemoryBoard(Mutex<BTreeMap<StatusName, String>>);

impl MemoryBoard {
    pub fn posted(&self, name: StatusName) -> Option<String> {
        lock(&self.0).get(&name).cloned()
    }
}

#[async_trait]
impl StatusBoard for MemoryBoard {
    async fn post(&self, name: StatusName, text: &str) -> Result<(), PortError> {
        lock(&self.0).insert(name, text.to_owned());
        Ok(())
    }

    async fn read(&self, name: StatusName) -> Result<Option<String>, PortError> {
        Ok(self.posted(name))
    }
}
