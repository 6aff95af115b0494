//! Ctrl-C, looked at between steps, so that nothing is left half-done. A second one ends at once.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use tryon_core::ports::Clock;

/// What a shell expects of a command that Ctrl-C ended.
pub const EXIT_CODE: u8 = 130;

/// How often Ctrl-C is looked for.
const GLANCE: Duration = Duration::from_millis(100);

/// Whether Ctrl-C was pressed.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// The work was ended by Ctrl-C.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted; nothing was left half-written")
    }
}

impl std::error::Error for Interrupted {}

impl Interrupt {
    /// Watches from a thread of its own: a runtime in virtual time knows no signals.
    pub fn watch() -> Result<Self> {
        let interrupt = Self::default();
        let flag = interrupt.0.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        thread::Builder::new()
            .name("ctrl-c".to_owned())
            .spawn(move || {
                while runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                    if flag.swap(true, Ordering::Relaxed) {
                        process::exit(EXIT_CODE.into());
                    }
                }
            })
            .context("cannot watch for Ctrl-C")?;
        Ok(interrupt)
    }

    /// Ends the work here if Ctrl-C was pressed.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.0.load(Ordering::Relaxed) { Err(Interrupted) } else { Ok(()) }
    }

    /// Ends when Ctrl-C was pressed.
    pub async fn pressed(self, clock: Arc<dyn Clock>) {
        while self.check().is_ok() {
            clock.sleep(GLANCE).await;
        }
    }
}
