use std::collections::BTreeMap;

use comfy_table::Table;
use tryon_core::{
    catalogue::Quality,
    chain::{Fidelity, Step},
    lane::Lane,
    money::Micros,
    routing::Route,
};

use super::{Facts, RenderFact, human, table};

/// Renders by route, lane, quality and outcome.
pub(super) fn renders(facts: &Facts) -> Table {
    let mut counts: BTreeMap<(Route, Lane, Quality, &str), usize> = BTreeMap::new();
    for render in &facts.renders {
        *counts.entry((render.route, render.lane, render.quality, render.outcome)).or_default() +=
            1;
    }
    let mut table = table(&["route", "lane", "quality", "outcome", "renders"], 4);
    for ((route, lane, quality, outcome), count) in counts {
        table.add_row([
            route.to_string(),
            lane.to_string(),
            quality.to_string(),
            outcome.to_owned(),
            count.to_string(),
        ]);
    }
    let all = facts.renders.len().to_string();
    table.add_row(["all".into(), String::new(), String::new(), String::new(), all]);
    table
}

/// Delivered pictures by the step that made them.
pub(super) fn steps(facts: &Facts) -> Table {
    let mut counts: BTreeMap<(Route, Step, &str), usize> = BTreeMap::new();
    for render in &facts.renders {
        let Some((step, fidelity)) = render.made_by.zip(render.fidelity) else { continue };
        let fidelity = match fidelity {
            Fidelity::Exact => "exact",
            Fidelity::Described => "described",
        };
        *counts.entry((render.route, step, fidelity)).or_default() += 1;
    }
    let mut table = table(&["route", "made by", "fidelity", "pictures"], 3);
    for ((route, step, fidelity), count) in counts {
        table.add_row([
            route.to_string(),
            step.to_string(),
            fidelity.to_owned(),
            count.to_string(),
        ]);
    }
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

#[derive(Clone, Copy, Default)]
struct Spent {
    renders: usize,
    images: usize,
    cost: Micros,
}

impl Spent {
    fn of<'a>(renders: impl Iterator<Item = &'a RenderFact>) -> Self {
        renders.fold(Self::default(), |sum, render| Self {
            renders: sum.renders + 1,
            images: sum.images + usize::from(render.picture.is_some()),
            cost: sum.cost + render.cost,
        })
    }

    fn each(self) -> String {
        let each = self.cost.usd() / self.images.max(1) as f64;
        if self.images == 0 { "-".to_owned() } else { format!("{each:.4}") }
    }
}

/// Settled dollars per delivered image: the routes side by side, by quality. What a fallback cost
/// counts for the route that the render was assigned to.
pub(super) fn costs(facts: &Facts) -> Table {
    type Column = (&'static str, fn(&RenderFact) -> bool);
    let columns: [Column; 4] = [
        ("gemini, online", |r| (r.route, r.lane) == (Route::Gemini, Lane::Online)),
        ("gemini, batch", |r| (r.route, r.lane) == (Route::Gemini, Lane::Batch)),
        ("gemini, all", |r| r.route == Route::Gemini),
        ("legacy", |r| r.route == Route::Legacy),
    ];
    let spent = |quality: Option<Quality>| {
        columns.map(|(_, is_of)| {
            let of_quality = |r: &&RenderFact| quality.is_none_or(|quality| r.quality == quality);
            Spent::of(facts.renders.iter().filter(of_quality).filter(|r| is_of(r)))
        })
    };
    let names = columns.map(|(name, _)| name);
    let mut table = table(&[&["$ per image"][..], &names[..]].concat(), 1);
    let mut row = |name: String, cells: [String; 4]| {
        table.add_row([vec![name], cells.to_vec()].concat());
    };
    for quality in Quality::ALL {
        row(quality.to_string(), spent(Some(quality)).map(Spent::each));
    }
    let all = spent(None);
    row("all".to_owned(), all.map(Spent::each));
    row("renders".to_owned(), all.map(|spent| spent.renders.to_string()));
    row("images".to_owned(), all.map(|spent| spent.images.to_string()));
    row("settled".to_owned(), all.map(|spent| spent.cost.to_string()));
    table
}

pub(super) fn mishaps(facts: &Facts) -> Table {
    let mut table = table(&["what", "times"], 1);
    for (what, times) in &facts.mishaps {
        table.add_row([(*what).to_owned(), times.to_string()]);
    }
    table
}
