//! What a deploy does before anything else runs: the schema first, then the knobs that are missing.

use std::sync::Arc;

use crate::ports::{KnobStore, PortError, Schema};

/// The `migrate` stage.
#[derive(Debug)]
pub struct Setup {
    pub schema: Arc<dyn Schema>,
    pub knobs: Arc<dyn KnobStore>,
    /// Each knob's name and the text it begins with.
    pub defaults: Vec<(&'static str, String)>,
}

impl Setup {
    /// How many knobs were created.
    pub async fn run(&self) -> Result<usize, PortError> {
        self.schema.migrate().await?;
        let mut created = 0;
        // One by one: Parameter Store takes three a second. It keeps no empty texts: such a knob is
        // missing, and means its default.
        for (name, text) in self.defaults.iter().filter(|(_, text)| !text.is_empty()) {
            created += usize::from(self.knobs.create(name, text).await?);
        }
        Ok(created)
    }
}
