//! Ctrl-C, looked at between steps, so that nothing is left half-done.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, bail};

/// Whether Ctrl-C was pressed.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches from a thread of its own: a runtime in virtual time knows no signals.
    pub fn watch() -> Result<Self> {
        let interrupt = Self::default();
        let flag = interrupt.0.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        thread::Builder::new()
            .name("ctrl-c".to_owned())
            .spawn(move || {
                if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                    flag.store(true, Ordering::Relaxed);
                }
            })
            .context("cannot watch for Ctrl-C")?;
        Ok(interrupt)
    }

    /// Ends the work here if Ctrl-C was pressed.
    pub fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("interrupted; what was written is whole");
        }
        Ok(())
    }
}
