//! Running a world: requests in at their times, until every render has its end and nothing is owed.

use std::{future::Future, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use tryon_core::{
    budget::{Account, Balance},
    memory::{Call, MemoryObjects, Mishap},
    ports::{Objects, SettingsSource},
};

use crate::{arrivals::Arrival, interrupt::Interrupt, report::Facts, world::World};

/// A run that is not over by then will never be.
const LONGEST: Duration = Duration::from_secs(5 * 86_400);

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
    let script = async {
        let start = world.clock.now();
        for (number, arrival) in arrivals.into_iter().enumerate() {
            interrupt.check()?;
            let due = start + chrono::TimeDelta::from_std(arrival.after)?;
            world.clock.sleep((due - world.clock.now()).to_std().unwrap_or_default()).await;
            world.accept(&arrival.body, &format!("request-{number}")).await?;
            bar.set_message(world.clock.now().format("%d %b %H:%M:%S").to_string());
        }
        drained(world, renders, bar, interrupt).await
    };
    world.serve_until(script).await?;
    facts(world).await
}

/// Waits until every render has ended and nothing is owed or under way.
async fn drained(
    world: &World,
    renders: usize,
    bar: &ProgressBar,
    interrupt: &Interrupt,
) -> Result<()> {
    let deadline = world.clock.now() + chrono::TimeDelta::from_std(LONGEST)?;
    loop {
        interrupt.check()?;
        let rows = world.database.renders();
        let ended = rows.iter().filter(|render| render.is_ended()).count();
        bar.set_position(ended as u64);
        bar.set_message(world.clock.now().format("%d %b %H:%M:%S").to_string());
        if ended == renders && world.is_quiet() {
            return Ok(());
        }
        ensure!(world.clock.now() < deadline, "{} renders never ended", renders - ended);
        world.clock.sleep(Duration::from_secs(5)).await;
    }
}

/// What the run left behind.
async fn facts(world: &World) -> Result<Facts> {
    let mut renders = world.database.renders();
    renders.sort_by(|a, b| (a.accepted_at, &a.id).cmp(&(b.accepted_at, &b.id)));
    let mut balance = Balance::default();
    for ((_, account), day) in world.attempts.balances() {
        if account == Account::Google {
            balance.reserved += day.reserved;
            balance.settled += day.settled;
            balance.held += day.held;
            balance.reservations += day.reservations;
        }
    }
    Ok(Facts {
        renders,
        batches: world.database.batches(),
        attempts: world.attempts.attempts(),
        balance,
        daily_budget: world.settings.settings().await.daily_budget,
        mishaps: mishaps(world),
    })
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
