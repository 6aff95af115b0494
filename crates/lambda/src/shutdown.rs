//! Time for a last word. Lambda announces a sandbox's end by SIGTERM, half a second ahead, and only where an
//! extension is registered; an internal one that wants no events costs nothing.

use lambda_extension::{Error, Extension};
use tokio::signal::unix::{SignalKind, signal};

/// Runs `last` before the process is let go, and ends it. To be called before the function serves. Where
/// nobody takes extensions, as on some emulators, the process ends without.
pub async fn before_exit<F>(last: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = ()> + Send,
{
    if let Err(error) = register(last).await {
        tracing::debug!(%error, "the end of this process will not be announced");
    }
}

async fn register<F>(last: impl FnOnce() -> F + Send + 'static) -> Result<(), Error>
where
    F: Future<Output = ()> + Send,
{
    let extension = Extension::new().with_events(&[]).with_extension_name("tryon-last-word");
    let extension = extension.register().await?;
    // Not before: from here on the signal by itself ends nothing.
    let mut terminate = signal(SignalKind::terminate())?;
    // The start counts as done once every extension waits for its next event.
    tokio::spawn(extension.run());
    tokio::spawn(async move {
        if terminate.recv().await.is_some() {
            last().await;
            std::process::exit(0);
        }
    });
    Ok(())
}
