//! Running a world: requests in at their times, until every render has its end and nothing is owed.

use std::{future::Future, sync::Arc};

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use tryon_core::{
    budget::{Account, Balance},
    memory::{Call, MemoryObjects, Mishap},
    ports::{Objects, SettingsSource},
};

use crate::{arrivals::Arrival, interrupt::Interrupt, report::Facts, taste, world::World};

/// A run that is not over by then will never be.
const LONGEST: TimeDelta = TimeDelta::days(5);
/// How often the screen follows the run.
const GLANCE: TimeDelta = TimeDelta::seconds(30);
/// Nothing that ended so long ago is heard of again.
const LONG_OVER: TimeDelta = TimeDelta::hours(1);

/// Runs `work` on a paused clock, which jumps to the next timer whenever everything waits.
pub fn in_virtual_time<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(work)
}

/// A bar that counts renders and shows the virtual time.
pub fn progress(renders: u64) -> ProgressBar {
    let style = "{bar:40} {pos}/{len} renders  {msg}";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(renders).with_style(style)
}

/// Posts every arrival at its time and waits for the end of all of them.
pub async fn day(
    world: &World,
    arrivals: Vec<Arrival>,
    bar: &ProgressBar,
    interrupt: &Interrupt,
) -> Result<Facts> {
    let renders = arrivals.len();
    let mut facts = Facts::default();
    let script = async {
        let start = world.clock.now();
        let mut glance = start;
        for (number, arrival) in arrivals.into_iter().enumerate() {
            interrupt.check()?;
            let due = start + TimeDelta::from_std(arrival.after)?;
            world.clock.sleep((due - world.clock.now()).to_std().unwrap_or_default()).await;
            world.accept(&arrival.body(), &format!("request-{number}")).await?;
            if world.clock.now() >= glance {
                glance = world.clock.now() + GLANCE;
                look(world, &mut facts, bar).await?;
            }
        }
        let deadline = world.clock.now() + LONGEST;
        loop {
            interrupt.check()?;
            let ended = look(world, &mut facts, bar).await?;
            if ended == renders && world.is_quiet() {
                return Ok(());
            }
            ensure!(world.clock.now() < deadline, "{} renders never ended", renders - ended);
            world.clock.sleep(GLANCE.to_std()?).await;
        }
    };
    world.serve_until(script).await?;
    collect(world, &mut facts, DateTime::<Utc>::MAX_UTC);
    facts.sort();
    let settings = world.settings.settings().await;
    for account in [Account::Google, Account::Replicate] {
        let fact = facts.accounts.entry(account).or_default();
        fact.daily_budget = settings.daily_budget_of(account);
        fact.balance = balance(world, account);
    }
    facts.mishaps = mishaps(world);
    Ok(facts)
}

/// Has shoppers rate their pictures, takes note of what is long over, and shows how far the run is:
/// how many renders have ended.
async fn look(world: &World, facts: &mut Facts, bar: &ProgressBar) -> Result<usize> {
    let now = world.clock.now();
    collect(world, facts, now - LONG_OVER);
    let live = world.database.renders();
    taste::rate(world, &live).await?;
    let ended = facts.renders.len() + live.iter().filter(|render| render.is_ended()).count();
    bar.set_position(ended as u64);
    bar.set_message(now.format("%d %b %H:%M:%S").to_string());
    Ok(ended)
}

/// Moves what ended before `before` from the tables to the facts.
fn collect(world: &World, facts: &mut Facts, before: DateTime<Utc>) {
    let (renders, batches) = world.database.archive(before);
    facts.add(renders, batches, &world.attempts.archive(before));
}

/// One account, summed over its days.
fn balance(world: &World, of: Account) -> Balance {
    let mut balance = Balance::default();
    for ((_, account), day) in world.attempts.balances() {
        if account == of {
            balance.reserved += day.reserved;
            balance.settled += day.settled;
            balance.held += day.held;
            balance.reservations += day.reservations;
        }
    }
    balance
}

fn mishaps(world: &World) -> Vec<(&'static str, u64)> {
    let struck = world.sandbox.faults().struck();
    let rule = |place: usize| struck.get(place).copied().unwrap_or_default();
    let met = world.chaos.met();
    let of = |call, mishap| met.get(&(call, mishap)).copied().unwrap_or_default();
    vec![
        ("calls that met a Google outage (503)", rule(0)),
        ("renders refused for their content", rule(1)),
        ("rows missing from a batch answer", rule(2)),
        ("answers of Google without a picture", rule(3) + rule(4)),
        ("predictions without a picture", rule(5)),
        ("messages delivered twice by a queue", of(Call::Receive, Mishap::Duplicate)),
        ("events delivered twice by the bus", of(Call::Deliver, Mishap::Duplicate)),
    ]
}

/// A stored picture, whole.
pub async fn read(objects: &Arc<MemoryObjects>, key: &str) -> Result<Bytes> {
    let Some(stream) = objects.get(key).await? else {
        bail!("picture {key} is not there");
    };
    let bytes: BytesMut = stream.try_collect().await.context("a stored picture breaks off")?;
    Ok(bytes.freeze())
}
