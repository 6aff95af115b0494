//! The way to the network, where the build has one.

use std::sync::Arc;

use anyhow::Result;
use tryon_core::ports::HttpTransport;

#[cfg(feature = "live")]
pub(crate) fn transport() -> Result<Arc<dyn HttpTransport>> {
    Ok(Arc::new(tryon_providers::ReqwestTransport::new()?))
}

#[cfg(not(feature = "live"))]
pub(crate) fn transport() -> Result<Arc<dyn HttpTransport>> {
    anyhow::bail!("this build has no way to the network: build it with --features live")
}
