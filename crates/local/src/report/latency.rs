use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use chrono::TimeDelta;
use comfy_table::Table;
use tryon_core::{catalogue::Quality, lane::Lane, routing::Route};

use super::{Facts, RenderFact, table};

/// What a latency is measured with: the Online promise for sd and hd, else the render's own deadline.
const ONLINE_TARGET: TimeDelta = TimeDelta::seconds(60);

/// What is measured together.
type Group = (Route, Lane, &'static str);
/// How long a picture took, and how long it might take.
type Latency = (TimeDelta, TimeDelta);

/// Latencies of delivered pictures, shortest first.
fn by_lane(facts: &Facts) -> BTreeMap<Group, Vec<Latency>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for render in &facts.renders {
        if let (Some(took), Some(_)) = (render.took, &render.picture) {
            let group = groups.entry((render.route, render.lane, kind(render))).or_default();
            group.push((took, render.deadline));
        }
    }
    for group in groups.values_mut() {
        group.sort_unstable();
    }
    groups
}

fn kind(render: &RenderFact) -> &'static str {
    match (render.lane, render.quality) {
        (Lane::Batch, _) => "all",
        (Lane::Online, Quality::FourK) => "4k",
        (Lane::Online, Quality::Sd | Quality::Hd) => "sd, hd",
    }
}

/// The `percent`-th percentile by nearest rank.
fn percentile(sorted: &[Latency], percent: usize) -> TimeDelta {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted[rank - 1].0
}

pub(super) fn percentiles(facts: &Facts) -> Table {
    let header = ["route", "lane", "quality", "pictures", "P50", "P95", "max", "within deadline"];
    let mut table = table(&header, 3);
    for ((route, lane, kind_name), group) in by_lane(facts) {
        let in_time = group.iter().filter(|(took, deadline)| took <= deadline).count();
        // What ended without a picture was not in time either.
        let of_group = |render: &&RenderFact| {
            (render.route, render.lane, kind(render)) == (route, lane, kind_name)
        };
        let ended = facts.renders.iter().filter(of_group).count();
        table.add_row([
            route.to_string(),
            lane.to_string(),
            kind_name.to_owned(),
            group.len().to_string(),
            human(percentile(&group, 50)),
            human(percentile(&group, 95)),
            human(percentile(&group, 100)),
            format!("{:.1} %", 100.0 * in_time as f64 / ended as f64),
        ]);
    }
    table
}

/// Says whether the Online promise was kept.
pub(super) fn verdict(facts: &Facts, out: &mut impl Write) -> io::Result<()> {
    let groups = by_lane(facts);
    let Some(online) = groups.get(&(Route::Gemini, Lane::Online, "sd, hd")) else {
        return Ok(());
    };
    let p95 = percentile(online, 95);
    let word = if p95 < ONLINE_TARGET { "kept" } else { "MISSED" };
    writeln!(
        out,
        "\nP95 < {} for Online sd and hd on the Gemini route: {word} ({})",
        human(ONLINE_TARGET),
        human(p95)
    )
}

/// Seconds below two minutes, else minutes, else hours.
pub fn human(time: TimeDelta) -> String {
    let seconds = time.num_milliseconds() as f64 / 1_000.0;
    match seconds {
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7_200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}
