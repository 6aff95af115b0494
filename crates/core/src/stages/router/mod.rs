//! Decides where a render goes and accepts it: one insert, one send. Shows a user what became of it.

mod accept;
mod entrance;
mod health;
mod pictures;
mod rating;
mod upload;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

pub(super) use self::upload::below;
pub use self::{
    accept::{AcceptError, Accepted, NewRender},
    health::{Breaker, Health, HealthCache, Model, Provider},
    rating::RateError,
    upload::{NewUpload, Upload},
};
use super::{Courier, Pulse};
use crate::{
    ids::{RenderId, UserId},
    lane::LaneRules,
    picture::PictureRef,
    ports::{
        Backlogs, Clock, Ledger, Links, Objects, PortError, Random, Ratings, Renders,
        SettingsSource,
    },
    render::Render,
};

/// How long the address of a picture is good for.
const LINK_LASTS: TimeDelta = TimeDelta::hours(1);

/// The `router` stage.
#[derive(Debug)]
pub struct Router {
    pub renders: Arc<dyn Renders>,
    pub ratings: Arc<dyn Ratings>,
    pub objects: Arc<dyn Objects>,
    pub links: Arc<dyn Links>,
    pub ledger: Arc<dyn Ledger>,
    pub pulse: Pulse,
    pub backlogs: Arc<dyn Backlogs>,
    pub settings: Arc<dyn SettingsSource>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub courier: Courier,
    pub config: RouterConfig,
}

/// Deploy-time settings of the router.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// The salt of the rollout; never changed during a ramp.
    pub salt: String,
    pub lanes: LaneRules,
    /// `PER_USER_HOURLY_LIMIT`.
    pub hourly_limit: u32,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The user, by a token.
    Owner,
    /// A trusted backend, which names the user. It shares garment photos between users.
    Backend,
}

/// Some of a user's renders, the newest first.
#[derive(Clone, Debug)]
pub struct Page {
    pub renders: Vec<Render>,
    /// There are more of them before this one.
    pub next: Option<RenderId>,
}

/// Where a picture can be read for a while by whoever has the address.
#[derive(Clone, PartialEq, Eq)]
pub struct PictureLink {
    pub url: String,
    pub expires_at: DateTime<Utc>,
}

impl std::fmt::Debug for PictureLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PictureLink(..)")
    }
}

impl Router {
    /// The user's own render.
    pub async fn read(&self, user: &UserId, id: &RenderId) -> Result<Option<Render>, PortError> {
        let found = self.renders.get(std::slice::from_ref(id)).await?;
        Ok(found.into_iter().find(|render| render.user_id == *user))
    }

    /// The user's own renders, at most `most`, from before `before` where given.
    pub async fn list(
        &self,
        user: &UserId,
        before: Option<&RenderId>,
        most: usize,
    ) -> Result<Page, PortError> {
        let mut renders = self.renders.list(user, before, most.saturating_add(1)).await?;
        let more = renders.len() > most;
        renders.truncate(most);
        let next = renders.last().filter(|_| more).map(|render| render.id.clone());
        Ok(Page { renders, next })
    }

    /// An address to read the picture at.
    pub async fn link(&self, picture: &PictureRef) -> Result<PictureLink, PortError> {
        let expires_at = self.clock.now() + LINK_LASTS;
        let url = self.links.read(&picture.key, expires_at, None).await?;
        Ok(PictureLink { url, expires_at })
    }
}
