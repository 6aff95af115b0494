//! Decides where a render goes and accepts it: one insert, one send.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::Arc,
};

use chrono::TimeDelta;
use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};

use super::{Courier, StageError};
use crate::{
    catalogue::{Catalogue, Entry},
    chain::steps,
    ids::{EntryId, RenderId, UserId},
    lane::{self, LaneChoice, LaneRules, Wish},
    picture::PictureRef,
    ports::{Clock, Inserted, Objects, PortError, Random, Renders, SettingsSource},
    render::{ChainRules, Render, RenderStatus},
    request::{FieldError, MAX_MESSAGE_BYTES, MAX_PICTURE_BYTES, RenderRequest},
    routing::{Assignment, assign},
};

/// The longest upload key, in bytes: what an object store takes.
const MAX_KEY_BYTES: usize = 1_024;

/// The `router` stage.
#[derive(Debug)]
pub struct Router {
    pub renders: Arc<dyn Renders>,
    pub objects: Arc<dyn Objects>,
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
}

/// A render as it comes in; pictures by upload key.
#[derive(Clone, Debug)]
pub struct NewRender {
    pub user_id: UserId,
    pub idempotency_key: String,
    pub request: RenderRequest<String>,
}

/// The render that stands for a request, and whether this request made it.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub render: Render,
    pub new: bool,
}

/// Why a render was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    #[error(transparent)]
    Field(#[from] FieldError),
    #[error("this idempotency key was used with another body")]
    KeyReused,
    /// The user's route has no step that this deployment can run.
    #[error("the render's route is closed")]
    RouteClosed,
    #[error("{0}")]
    Unavailable(String),
}

impl From<PortError> for AcceptError {
    fn from(error: PortError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<StageError> for AcceptError {
    fn from(error: StageError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl Router {
    /// Accepts a render once per user and idempotency key, and hands it on.
    pub async fn accept(&self, new: NewRender) -> Result<Accepted, AcceptError> {
        let fingerprint = fingerprint(&new.request)?;
        let (user, key) = (new.user_id.clone(), new.idempotency_key.clone());
        let render = match self.decide(new, fingerprint.clone()).await {
            Ok(render) => render,
            // The world may have moved on since the same request was accepted: a route closed, a
            // picture expired. That render stands all the same.
            Err(error) => {
                return match self.renders.by_key(&user, &key).await? {
                    Some(existing) => self.again(existing, &fingerprint).await,
                    None => Err(error),
                };
            }
        };
        match self.renders.insert(render.clone()).await? {
            Inserted::New => {
                let render = Render { version: 1, ..render };
                self.courier.deliver(vec![render.clone()]).await?;
                Ok(Accepted { render, new: true })
            }
            Inserted::Existing(existing) => self.again(*existing, &fingerprint).await,
        }
    }

    /// The same request came again: the render it made, and the sends that one may still owe.
    async fn again(&self, existing: Render, fingerprint: &str) -> Result<Accepted, AcceptError> {
        if existing.fingerprint != fingerprint {
            return Err(AcceptError::KeyReused);
        }
        self.courier.deliver(vec![existing.clone()]).await?;
        Ok(Accepted { render: existing, new: false })
    }

    /// Everything that is checked and decided before a render is stored.
    async fn decide(&self, new: NewRender, fingerprint: String) -> Result<Render, AcceptError> {
        let settings = self.settings.settings().await;
        let assignment = assign(&new.user_id, &settings.split(&self.config.salt))
            .map_err(|_| FieldError::new("user_id", "name the user the render is for"))?;
        new.request.check()?;
        let choice = self.choose_lane(&new.request, settings.default_lane)?;
        let request = self.find_pictures(new.request).await?;
        let draft = Draft { user_id: new.user_id, key: new.idempotency_key, fingerprint, request };
        self.render(draft, assignment, choice)
    }

    /// The user's own render.
    pub async fn read(&self, user: &UserId, id: &RenderId) -> Result<Option<Render>, PortError> {
        let found = self.renders.get(std::slice::from_ref(id)).await?;
        Ok(found.into_iter().find(|render| render.user_id == *user))
    }

    fn choose_lane(
        &self,
        request: &RenderRequest<String>,
        default_lane: lane::DefaultLane,
    ) -> Result<LaneChoice, FieldError> {
        let wish = Wish {
            lane: request.lane,
            deadline_seconds: request.deadline_seconds,
            give_up_seconds: request.give_up_seconds,
        };
        lane::choose(wish, request.quality, default_lane, &self.config.lanes).map_err(|error| {
            let field = match error {
                lane::LaneError::Deadline => "deadline_seconds",
                lane::LaneError::GiveUp { .. } | lane::LaneError::Impatient { .. } => {
                    "give_up_seconds"
                }
            };
            FieldError::new(field, error.to_string())
        })
    }

    /// Looks every picture up at once: that it is there, is a picture, and is not too large.
    async fn find_pictures(
        &self,
        request: RenderRequest<String>,
    ) -> Result<RenderRequest, AcceptError> {
        let request = request.try_map(|field, key| {
            if is_upload(&key) {
                return Ok(key);
            }
            Err(FieldError::new(field, "name a picture by its upload key"))
        })?;
        let keys: Vec<String> = request.pictures().cloned().collect();
        let found = try_join_all(keys.iter().map(|key| self.objects.head(key))).await?;
        let mut found = found.into_iter();
        let request = request.try_map(|field, key| {
            let info = found.next().flatten();
            let info = info.ok_or_else(|| FieldError::new(&field, "upload the picture first"))?;
            let mime = info
                .mime
                .ok_or_else(|| FieldError::new(&field, "upload a JPEG, PNG or WebP picture"))?;
            if info.bytes > MAX_PICTURE_BYTES {
                let fix = format!("upload a picture of at most {MAX_PICTURE_BYTES} bytes");
                return Err(FieldError::new(&field, fix));
            }
            Ok(PictureRef { key, bytes: info.bytes, mime })
        })?;
        Ok(request)
    }

    fn render(
        &self,
        draft: Draft,
        assignment: Assignment,
        choice: LaneChoice,
    ) -> Result<Render, AcceptError> {
        let now = self.clock.now();
        let rules = &self.courier.rules;
        let step = steps(assignment.route)[0];
        if !rules.available.contains(&step) {
            return Err(AcceptError::RouteClosed);
        }
        let (entry_id, entry) = entry(&self.courier.catalogue, &draft.request, now)?;
        if entry.backend(choice.lane).is_none() {
            let fix = format!("quality {} has no {} lane", draft.request.quality, choice.lane);
            return Err(FieldError::new("lane", fix).into());
        }
        let after = |seconds: u32| now + TimeDelta::seconds(seconds.into());
        let mut render = Render {
            id: RenderId::generate(self.random.as_ref(), now),
            version: 0,
            user_id: draft.user_id,
            idempotency_key: draft.key,
            fingerprint: draft.fingerprint,
            request: draft.request,
            bucket: assignment.bucket,
            assigned: assignment.route,
            served: assignment.route,
            lane: choice.lane,
            entry: entry_id,
            accepted_at: now,
            deadline_at: after(choice.deadline_seconds),
            give_up_at: after(choice.give_up_seconds),
            status: RenderStatus::Accepted,
            step,
            n: 1,
            to_join: false,
            open_attempts: BTreeSet::new(),
            granted: None,
            costs: BTreeMap::new(),
            owed: BTreeSet::new(),
            due_at: None,
        };
        render.owe_hand_on(now);
        fits_a_message(&render, rules)?;
        Ok(render)
    }
}

/// Uploads lie below `in/`; nothing else in the store may be named from outside.
fn is_upload(key: &str) -> bool {
    key.starts_with("in/") && key.len() <= MAX_KEY_BYTES && !key.chars().any(char::is_control)
}

struct Draft {
    user_id: UserId,
    key: String,
    fingerprint: String,
    request: RenderRequest,
}

fn entry<'a>(
    catalogue: &'a Catalogue,
    request: &RenderRequest,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(EntryId, &'a Entry), AcceptError> {
    let (id, entry) = catalogue
        .entry_for(request.quality, now.date_naive())
        .ok_or_else(|| FieldError::new("quality", "no model serves it now"))?;
    let most = (entry.max_pictures as usize).saturating_sub(1);
    if request.garments.len() > most {
        return Err(FieldError::new("garments", format!("give at most {most} garments")).into());
    }
    Ok((id.clone(), entry))
}

/// The same request has the same fingerprint, whatever its spelling.
fn fingerprint(request: &RenderRequest<String>) -> Result<String, AcceptError> {
    let canonical =
        serde_json::to_vec(request).map_err(|e| AcceptError::Unavailable(e.to_string()))?;
    let digest = Sha256::digest(&canonical);
    let mut hex = String::with_capacity(2 * digest.len());
    for byte in digest {
        write!(hex, "{byte:02x}").map_err(|e| AcceptError::Unavailable(e.to_string()))?;
    }
    Ok(hex)
}

fn fits_a_message(render: &Render, rules: &ChainRules) -> Result<(), AcceptError> {
    let order = serde_json::to_vec(&render.order(rules))
        .map_err(|e| AcceptError::Unavailable(e.to_string()))?;
    if order.len() > MAX_MESSAGE_BYTES {
        let fix = "shorten the prompt and the garment descriptions";
        return Err(FieldError::new("prompt", fix).into());
    }
    Ok(())
}
