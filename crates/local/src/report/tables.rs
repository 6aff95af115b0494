use std::collections::BTreeMap;

use comfy_table::Table;
use tryon_core::{catalogue::Quality, lane::Lane, money::Micros};

use super::{Facts, human, table};

/// Renders by lane, quality and outcome.
pub(super) fn renders(facts: &Facts) -> Table {
    let mut counts: BTreeMap<(Lane, Quality, &str), usize> = BTreeMap::new();
    for render in &facts.renders {
        *counts.entry((render.lane, render.quality, render.outcome)).or_default() += 1;
    }
    let mut table = table(&["lane", "quality", "outcome", "renders"], 3);
    for ((lane, quality, outcome), count) in counts {
        table.add_row([
            lane.to_string(),
            quality.to_string(),
            outcome.to_owned(),
            count.to_string(),
        ]);
    }
    table.add_row(["all".into(), String::new(), String::new(), facts.renders.len().to_string()]);
    table
}

/// Batches with their fill and what sealed them.
pub(super) fn batches(facts: &Facts) -> Table {
    let header = ["batch", "sealed by", "status", "renders", "open for", "done after"];
    let mut table = table(&header, 3);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for (number, batch) in (1..).zip(&facts.batches) {
        table.add_row([
            format!("{number}"),
            or_dash(batch.seal.map(|seal| seal.reason.to_string())),
            batch.status.to_owned(),
            batch.renders.to_string(),
            or_dash(batch.seal.map(|seal| human(seal.at - batch.opened_at))),
            or_dash(batch.ended_at.map(|at| human(at - batch.opened_at))),
        ]);
    }
    table
}

#[derive(Default)]
struct Spent {
    images: usize,
    cost: Micros,
}

/// Settled dollars per delivered image, by lane and quality.
pub(super) fn costs(facts: &Facts) -> Table {
    let mut spent: BTreeMap<(Lane, Quality), Spent> = BTreeMap::new();
    let mut all = Spent::default();
    for render in &facts.renders {
        for sum in [&mut all, spent.entry((render.lane, render.quality)).or_default()] {
            sum.images += usize::from(render.picture.is_some());
            sum.cost += render.cost;
        }
    }
    let mut table = table(&["lane", "quality", "images", "settled", "$ per image"], 2);
    for ((lane, quality), sum) in spent {
        table.add_row(cost_row([lane.to_string(), quality.to_string()], &sum));
    }
    table.add_row(cost_row(["all".into(), String::new()], &all));
    table
}

fn cost_row([lane, quality]: [String; 2], spent: &Spent) -> [String; 5] {
    let each = spent.cost.usd() / spent.images.max(1) as f64;
    let each = if spent.images == 0 { "-".to_owned() } else { format!("{each:.4}") };
    [lane, quality, spent.images.to_string(), spent.cost.to_string(), each]
}

pub(super) fn mishaps(facts: &Facts) -> Table {
    let mut table = table(&["what", "times"], 1);
    for (what, times) in &facts.mishaps {
        table.add_row([(*what).to_owned(), times.to_string()]);
    }
    table
}
