//! A look at Google where nobody waits for it: whether the next render could be bought.

use std::time::Duration;

use futures_util::future::{Either, select};

use super::Imagen;
use crate::{metrics::GOOGLE_MISSING, ports::FindingState};

/// The longest that a look takes: other messages of the invocation are acknowledged with it.
const PATIENCE: Duration = Duration::from_secs(60);

impl Imagen {
    /// Says what is missing, and what to do. What could not be found out says nothing: the next look is
    /// near.
    pub(super) async fn check(&self) {
        let (now, catalogue) = (self.buyer.clock.now(), self.buyer.catalogue.now());
        let models = catalogue.serving(now.date_naive());
        let look = self.google.look(&models);
        let Either::Left((findings, _)) = select(look, self.buyer.clock.sleep(PATIENCE)).await
        else {
            return tracing::warn!("Google could not be checked in time");
        };
        // Before the route is opened nobody needs what is missing yet.
        let open = self.buyer.settings.settings().await.enable_gemini_batch;
        let (mut missing, mut unanswered) = (0_u32, false);
        for finding in &findings {
            let what = finding.what.as_str();
            match &finding.state {
                FindingState::Missing(why) if open => {
                    tracing::error!(what, why, "Google cannot be used: something is missing");
                    missing += 1;
                }
                FindingState::Missing(why) => {
                    tracing::info!(what, why, "missing before the Gemini route can be opened");
                }
                FindingState::Unanswered(why) => {
                    tracing::warn!(what, why, "Google could not be checked");
                    unanswered = true;
                }
                FindingState::Good(_) | FindingState::Skipped(_) => {}
            }
        }
        if missing > 0 || !unanswered {
            GOOGLE_MISSING.show([], missing.into());
        }
    }
}
