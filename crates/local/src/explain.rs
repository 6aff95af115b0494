//! One render, re-derived from its rows on one screen.

use std::io::{self, Write};

use tryon_core::{
    attempt::{Attempt, AttemptState},
    batch::Batch,
    render::{Render, RenderStatus},
};

use crate::{report::human, world::World};

/// Writes why the render went where it went, what was tried and what it cost.
pub fn write(world: &World, render: &Render, out: &mut impl Write) -> io::Result<()> {
    let mut line = |name: &str, text: &str| writeln!(out, "{name:<9} {text}");
    line("render", render.id.as_str())?;
    line("bucket", &format!("{} of 10000", render.bucket.get()))?;
    line("route", &format!("{} (assigned), {} (served)", render.assigned, render.served))?;
    let deadline = human(render.deadline_at - render.accepted_at);
    let give_up = human(render.give_up_at - render.accepted_at);
    line("lane", &format!("{}: deadline {deadline}, given up after {give_up}", render.lane))?;
    line("model", &model(world, render))?;
    line("result", &result(render))?;
    for attempt in tried(world, render) {
        line("batch", &batch(world, &attempt))?;
        line("attempt", &format!("{}: {}", attempt.id, state(&attempt)))?;
        line("cost", &cost(render, &attempt))?;
    }
    Ok(())
}

fn model(world: &World, render: &Render) -> String {
    let entry = world.catalogue.get(&render.entry);
    entry.map_or_else(
        || render.entry.to_string(),
        |entry| {
            let thinking = entry.thinking.map_or("none", |thinking| thinking.as_str());
            format!("{} at {}, thinking {thinking}", entry.model, entry.size.as_str())
        },
    )
}

fn result(render: &Render) -> String {
    let after = |at| human(at - render.accepted_at);
    match &render.status {
        RenderStatus::Succeeded { at, .. } => format!("picture after {}", after(*at)),
        RenderStatus::Failed { code, at } => format!("{} after {}", code.as_str(), after(*at)),
        status => status.as_str().to_owned(),
    }
}

/// The attempts that were made for the render, oldest first.
fn tried(world: &World, render: &Render) -> Vec<Attempt> {
    let of_render =
        |attempt: &Attempt| attempt.shares.iter().any(|share| share.render_id == render.id);
    world.attempts.attempts().into_iter().filter(of_render).collect()
}

fn batch(world: &World, attempt: &Attempt) -> String {
    let batch: Option<Batch> =
        world.database.batches().into_iter().find(|batch| batch.id == attempt.batch_id);
    match batch {
        None => "of one: an Online render travels alone".to_owned(),
        Some(batch) => {
            let sealed = batch.sealed.map_or_else(
                || "still open".to_owned(),
                |seal| {
                    format!("sealed by {} after {}", seal.reason, human(seal.at - batch.opened_at))
                },
            );
            format!("{}: {} renders, {sealed}", batch.id, batch.orders.len())
        }
    }
}

fn state(attempt: &Attempt) -> String {
    match &attempt.state {
        AttemptState::Claimed { .. } => "claimed".to_owned(),
        AttemptState::Waiting { .. } => "waiting".to_owned(),
        AttemptState::Sending { .. } => "sending".to_owned(),
        AttemptState::Submitted { job, .. } => format!("submitted as {job}"),
        AttemptState::Held { .. } => "outcome unknown, money held".to_owned(),
        AttemptState::Settled { .. } => format!("settled, {} waits", attempt.waits),
        AttemptState::NeverBought { why, .. } => format!("never bought ({why:?})").to_lowercase(),
    }
}

fn cost(render: &Render, attempt: &Attempt) -> String {
    let share = attempt.shares.iter().find(|share| share.render_id == render.id);
    let reserved = share.map(|share| share.maximum).unwrap_or_default();
    match render.costs.get(&attempt.id) {
        Some(cost) => format!("{cost} settled of {reserved} reserved"),
        None => format!("nothing settled of {reserved} reserved"),
    }
}
