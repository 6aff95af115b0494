//! One render in: checked, decided, stored once, handed on.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{join, join3};
use sha2::{Digest, Sha256};

use super::{Caller, Router, entrance::Arrival, upload::hex};
use crate::{
    budget::Balances,
    catalogue::{Backend, Entry},
    chain::Step,
    ids::{RenderId, UserId},
    lane::{self, Lane, LaneChoice, LaneError, Wish},
    metrics::{
        RENDERS_ACCEPTED, RENDERS_ASSIGNED, RENDERS_DIVERTED, REQUESTS_LIMITED, REQUESTS_REPEATED,
    },
    ports::{HourlyLimit, Inserted, PortError},
    render::{ChainRules, Course, Render, RenderStatus, own_step},
    request::{FieldError, MAX_MESSAGE_BYTES, RenderRequest},
    routing::{Assignment, Route, assign},
    settings::Settings,
    stages::StageError,
    vitals::Gate,
};

/// A render as it comes in; pictures by upload key.
#[derive(Clone, Debug)]
pub struct NewRender {
    pub caller: Caller,
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
    /// The user has had as many renders as an hour may bring.
    #[error("the user's hourly limit is reached")]
    Limited { again_at: DateTime<Utc> },
    /// The day's money is spent wherever the render could go; it is midnight at the latest.
    #[error("the day's budget is spent")]
    BudgetExhausted { again_at: DateTime<Utc> },
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
        let (render, tries) = match self.decide(new, fingerprint.clone()).await {
            Ok(decided) => decided,
            // The world may have moved on since the same request was accepted: a route closed, a
            // picture expired. That render stands all the same.
            Err(error) => {
                return match self.renders.by_key(&user, &key).await? {
                    Some(existing) => self.again(existing, &fingerprint).await,
                    None => Err(error),
                };
            }
        };
        let limit = HourlyLimit {
            since: render.accepted_at - TimeDelta::hours(1),
            most: self.config.hourly_limit,
        };
        let inserted = self.renders.insert(render.clone(), limit).await?;
        if let Some(backend) = tries.filter(|_| !matches!(inserted, Inserted::New)) {
            self.pulse.give_back(backend, &render.id).await;
        }
        match inserted {
            Inserted::Limited { again_at } => {
                REQUESTS_LIMITED.count([], 1);
                Err(AcceptError::Limited { again_at })
            }
            Inserted::New => {
                RENDERS_ACCEPTED.count([render.served.as_str(), render.lane.as_str()], 1);
                RENDERS_ASSIGNED.count([render.assigned.as_str()], 1);
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
        REQUESTS_REPEATED.count([], 1);
        self.courier.deliver(vec![existing.clone()]).await?;
        Ok(Accepted { render: existing, new: false })
    }

    /// Everything that is checked and decided before a render is stored; with the backend that it is to
    /// try, where it is the one that does.
    async fn decide(
        &self,
        new: NewRender,
        fingerprint: String,
    ) -> Result<(Render, Option<Backend>), AcceptError> {
        let (settings, _) = join(self.settings.settings(), self.courier.catalogue.current()).await;
        let assignment = assign(&new.user_id, &settings.split(&self.config.salt))
            .map_err(|_| FieldError::new("user_id", "name the user the render is for"))?;
        new.request.check()?;
        let choice = self.choose_lane(&new.request, settings.default_lane)?;
        let now = self.clock.now();
        let backend = self.google_backend(&new.request, assignment, choice.lane, now);
        let (request, balances, gate) = join3(
            self.find_pictures(new.caller, &new.user_id, new.request),
            self.ledger.balances(now.date_naive()),
            self.gate(backend),
        )
        .await;
        let balances = balances?;
        let draft = Draft {
            id: RenderId::generate(self.random.as_ref(), now),
            user_id: new.user_id,
            key: new.idempotency_key,
            fingerprint,
            request: request?,
            assignment,
            choice,
        };
        // Where nothing is bought either, nobody is sent.
        let elsewhere =
            gate == Gate::Closed || !self.gate(Some(Backend::Replicate)).await.is_shut();
        let well = !gate.is_shut() || !elsewhere;
        // Should it be another one that tries.
        let again = (gate == Gate::HalfOpen).then(|| draft.clone());
        let render = self.render(draft, &settings, &balances, well, now)?;
        let Some(backend) = backend.filter(|_| gate != Gate::Closed) else {
            return Ok((render, None));
        };
        // All is checked, and there is money: whoever gets the lease tries whether Google is back.
        let tries = gate == Gate::HalfOpen && render.step == Step::Gemini;
        if tries && self.pulse.lease(backend, &render.id).await {
            return Ok((render, Some(backend)));
        }
        let render = match again.filter(|_| tries) {
            Some(draft) => self.render(draft, &settings, &balances, !elsewhere, now)?,
            None => render,
        };
        if render.step != Step::Gemini {
            RENDERS_DIVERTED.count([backend.as_str()], 1);
        }
        Ok((render, None))
    }

    /// Google's backend that would serve the request.
    fn google_backend(
        &self,
        request: &RenderRequest<String>,
        assignment: Assignment,
        lane: Lane,
        now: DateTime<Utc>,
    ) -> Option<Backend> {
        let catalogue = self.courier.catalogue.now();
        let serving = catalogue.entry_for(request.quality, now.date_naive());
        let (_, entry) = serving.filter(|_| assignment.route == Route::Gemini)?;
        entry.backend(entry.lane_of(lane, request.lane))
    }

    async fn gate(&self, backend: Option<Backend>) -> Gate {
        match backend {
            Some(backend) => self.pulse.vitals(backend).await.gate(self.clock.now()),
            None => Gate::Closed,
        }
    }

    fn choose_lane(
        &self,
        request: &RenderRequest<String>,
        default_lane: lane::DefaultLane,
    ) -> Result<LaneChoice, FieldError> {
        lane::choose(Wish::of(request), request.quality, default_lane, &self.config.lanes).map_err(
            |error| {
                let field = match error {
                    LaneError::Deadline => "deadline_seconds",
                    LaneError::GiveUp { .. } | LaneError::Impatient { .. } => "give_up_seconds",
                };
                FieldError::new(field, error.to_string())
            },
        )
    }

    fn render(
        &self,
        draft: Draft,
        settings: &Settings,
        balances: &Balances,
        well: bool,
        now: DateTime<Utc>,
    ) -> Result<Render, AcceptError> {
        let Draft { request, assignment, choice, .. } = draft;
        let rules = &self.courier.rules;
        let catalogue = self.courier.catalogue.now();
        let (entry_id, entry) = catalogue
            .entry_for(request.quality, now.date_naive())
            .ok_or_else(|| FieldError::new("quality", "no model serves it now"))?;
        let lane = entry.lane_of(choice.lane, request.lane);
        let arrival = Arrival {
            assigned: assignment.route,
            accept_described: request.accept_described,
            google_price: entry.maximum(lane, &request),
            settings,
            balances,
            well,
            now,
        };
        let grounds = self.grounds(&arrival);
        let (served, step) = self.entrance(&arrival, &grounds)?;
        self.check_step(step, lane, entry, &request)?;
        let own = own_step(assignment.route);
        let unasked = step != own && rules.available.contains(&own);
        let after = |seconds: u32| now + TimeDelta::seconds(seconds.into());
        let mut render = Render {
            id: draft.id,
            version: 0,
            user_id: draft.user_id,
            idempotency_key: draft.key,
            fingerprint: draft.fingerprint,
            request,
            bucket: assignment.bucket,
            assigned: assignment.route,
            served,
            // Only Google has batches.
            lane: if step == Step::Gemini { lane } else { Lane::Online },
            entry: entry_id.clone(),
            accepted_at: now,
            deadline_at: after(choice.deadline_seconds),
            give_up_at: after(choice.give_up_seconds),
            status: RenderStatus::Accepted,
            step,
            n: 1,
            run_until: now,
            to_join: false,
            open_attempts: BTreeSet::new(),
            google_failed: false,
            course: Some(Course { unasked, ..Course::new(lane) }),
            interim: None,
            granted: None,
            rescue: None,
            grounds: Some(grounds),
            costs: BTreeMap::new(),
            owed: BTreeSet::new(),
            due_at: None,
        };
        render.owe_hand_on(now, rules);
        fits_a_message(&render, rules)?;
        Ok(render)
    }

    /// Whether the model of the first step can do what is asked of it.
    fn check_step(
        &self,
        step: Step,
        lane: Lane,
        entry: &Entry,
        request: &RenderRequest,
    ) -> Result<(), FieldError> {
        let most_pictures = match step {
            Step::Gemini if entry.backend(lane).is_none() => {
                let fix = format!("quality {} has no {lane} lane", request.quality);
                return Err(FieldError::new("lane", fix));
            }
            Step::Gemini => Some(entry.max_pictures),
            Step::NanoBanana => {
                self.courier.catalogue.now().prediction(step).map(|m| m.max_pictures)
            }
            // They see one picture and know the garments from words.
            Step::PhotoMaker | Step::Sdxl | Step::Upscale => None,
        };
        let most = most_pictures.map_or(usize::MAX, |most| (most as usize).saturating_sub(1));
        if request.garments.len() > most {
            return Err(FieldError::new("garments", format!("give at most {most} garments")));
        }
        Ok(())
    }
}

/// What is known of a render before it is decided where it begins.
#[derive(Clone)]
struct Draft {
    id: RenderId,
    user_id: UserId,
    key: String,
    fingerprint: String,
    request: RenderRequest,
    assignment: Assignment,
    choice: LaneChoice,
}

/// The same request has the same fingerprint, whatever its spelling.
fn fingerprint(request: &RenderRequest<String>) -> Result<String, AcceptError> {
    let canonical =
        serde_json::to_vec(request).map_err(|e| AcceptError::Unavailable(e.to_string()))?;
    Ok(hex(&Sha256::digest(&canonical)))
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
