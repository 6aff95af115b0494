//! What a long-running server does beside serving: it tells of renders that ended, and forgets what
//! is over.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join;
use tokio::sync::mpsc::UnboundedReceiver;
use tryon_core::{
    attempt::{Attempt, AttemptState},
    ids::RenderId,
    memory::Published,
    messages::{RenderEnded, decode},
    outcome::Outcome,
    ports::{Objects, Renders},
    render::{Render, RenderStatus},
};

use crate::world::World;

/// How long an ended render is remembered, with its attempts and its picture.
const RENDER_LIFE: TimeDelta = TimeDelta::days(1);
/// How long an upload lives.
const UPLOAD_LIFE: TimeDelta = TimeDelta::days(7);
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// Goes on for ever.
pub(super) async fn keep(world: &World) {
    let ends = world.bus.subscribe();
    let sweeping = async {
        let mut keeper = Keeper::default();
        loop {
            world.clock.sleep(SWEEP_EVERY).await;
            keeper.sweep(world).await;
        }
    };
    join(tell(world, ends), sweeping).await;
}

/// A log line for each render that ended.
async fn tell(world: &World, mut ends: UnboundedReceiver<Published>) {
    while let Some(published) = ends.recv().await {
        let Ok(RenderEnded::Completed { render_id, .. } | RenderEnded::Failed { render_id, .. }) =
            decode(&published.event.detail)
        else {
            continue;
        };
        for render in rows(world, &[render_id]).await {
            line(&render);
        }
    }
}

fn line(render: &Render) {
    let why = match &render.status {
        RenderStatus::Failed { code, .. } => code.as_str(),
        _ => "",
    };
    let took = render.status.ended_at().unwrap_or(render.accepted_at) - render.accepted_at;
    let cents = render.costs.values().map(|cost| cost.usd() * 100.0).sum::<f64>();
    tracing::info!(
        render = %render.id,
        status = render.status.as_str(),
        why,
        route = %render.served,
        lane = %render.lane,
        step = %render.step,
        paid_tries = render.costs.len(),
        cents = %format_args!("{cents:.2}"),
        seconds = %format_args!("{:.1}", took.num_milliseconds() as f64 / 1_000.0),
        "render ended"
    );
}

async fn rows(world: &World, ids: &[RenderId]) -> Vec<Render> {
    Renders::get(world.database.as_ref(), ids).await.unwrap_or_default()
}

/// Forgets what is over, so that memory does not grow for ever.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    /// When each upload was first seen.
    uploads: BTreeMap<String, DateTime<Utc>>,
}

impl Keeper {
    pub(super) async fn sweep(&mut self, world: &World) {
        let now = world.clock.now();
        let before = now - RENDER_LIFE;
        let (renders, _) = world.database.archive(before);
        let attempts = world.attempts.archive(before);
        for key in renders.iter().filter_map(delivered) {
            world.objects.expire(key);
        }
        let made: Vec<_> = attempts.iter().flat_map(made).collect();
        let ids: Vec<RenderId> = made.iter().map(|(id, _)| (*id).clone()).collect();
        let alive = rows(world, &ids).await;
        for (id, key) in made {
            if !alive.iter().any(|render| render.id == *id) {
                world.objects.expire(key);
            }
        }
        self.sweep_uploads(world, now).await;
    }

    async fn sweep_uploads(&mut self, world: &World, now: DateTime<Utc>) {
        let Ok(uploads) = world.objects.list("in/").await else {
            return;
        };
        for (key, _) in uploads {
            self.uploads.entry(key).or_insert(now);
        }
        self.uploads.retain(|key, seen| {
            let lives = now - *seen < UPLOAD_LIFE;
            if !lives {
                world.objects.expire(key);
            }
            lives
        });
    }
}

fn delivered(render: &Render) -> Option<&str> {
    match &render.status {
        RenderStatus::Succeeded { picture, .. } => Some(&picture.key),
        _ => None,
    }
}

/// The pictures that an attempt made, each for its render.
fn made(attempt: &Attempt) -> Vec<(&RenderId, &str)> {
    let AttemptState::Settled { outcomes, .. } = &attempt.state else {
        return Vec::new();
    };
    let pictures = outcomes.iter().filter_map(|of| match &of.outcome {
        Outcome::Image { picture, .. } => Some((&of.render_id, picture.key.as_str())),
        _ => None,
    });
    pictures.collect()
}
