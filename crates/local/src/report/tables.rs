use std::collections::BTreeMap;

use comfy_table::Table;
use tryon_core::{
    batch::BatchStatus,
    catalogue::Quality,
    lane::Lane,
    money::Micros,
    render::{Render, RenderStatus},
};

use super::{Facts, table};

/// Renders by lane, quality and outcome.
pub(super) fn renders(facts: &Facts) -> Table {
    let mut counts: BTreeMap<(Lane, Quality, &str), usize> = BTreeMap::new();
    for render in &facts.renders {
        *counts.entry((render.lane, render.request.quality, outcome(render))).or_default() += 1;
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

fn outcome(render: &Render) -> &'static str {
    match &render.status {
        RenderStatus::Failed { code, .. } => code.as_str(),
        status => status.as_str(),
    }
}

/// Batches with their fill and what sealed them.
pub(super) fn batches(facts: &Facts) -> Table {
    let mut table =
        table(&["batch", "sealed by", "status", "renders", "open for", "done after"], 3);
    let mut batches: Vec<_> = facts.batches.iter().collect();
    batches.sort_by_key(|batch| (batch.opened_at, batch.id.clone()));
    for (number, batch) in batches.iter().enumerate() {
        let sealed = batch.sealed;
        let since = |at: chrono::DateTime<chrono::Utc>| super::latency::human(at - batch.opened_at);
        let (status, ended) = match batch.status {
            BatchStatus::Completed { at } => ("completed", Some(at)),
            BatchStatus::Failed { at } => ("failed", Some(at)),
            BatchStatus::Open => ("open", None),
            BatchStatus::Sealed => ("sealed", None),
            BatchStatus::Submitted { .. } => ("submitted", None),
            BatchStatus::Processing { .. } => ("processing", None),
        };
        table.add_row([
            format!("{}", number + 1),
            sealed.map_or_else(|| "-".to_owned(), |seal| seal.reason.to_string()),
            status.to_owned(),
            batch.orders.len().to_string(),
            sealed.map_or_else(|| "-".to_owned(), |seal| since(seal.at)),
            ended.map_or_else(|| "-".to_owned(), since),
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
        let image = usize::from(matches!(render.status, RenderStatus::Succeeded { .. }));
        for sum in [&mut all, spent.entry((render.lane, render.request.quality)).or_default()] {
            sum.images += image;
            sum.cost += render.cost();
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
