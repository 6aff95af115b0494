//! A render explained.

use tryon_core::ops::{Explanation, Joined, Try};

use super::{facts, or_dash, time};
use crate::report::table;

pub(in crate::ops) fn explanation(of: &Explanation) -> String {
    let Explanation { route, times, .. } = of;
    let percent = route.percent.map(|percent| format!(" at {percent} %"));
    let why = route.reason.map(|reason| format!(", {reason:?}").to_lowercase());
    let took = times.took_seconds.map(|took| format!(" after {took:.1} s"));
    let in_time = match times.in_time {
        Some(true) => ", in time",
        Some(false) => ", LATE",
        None => "",
    };
    let mut parts = vec![
        facts(&[
            ("render", of.render_id.to_string()),
            ("result", format!("{}{}{in_time}", of.status, took.unwrap_or_default())),
            (
                "bucket",
                format!(
                    "{} of 10000{}{}",
                    of.bucket,
                    percent.unwrap_or_default(),
                    why.unwrap_or_default()
                ),
            ),
            ("route", format!("{} (assigned), {} (served)", route.assigned, route.served)),
            ("lane", of.lane.to_string()),
            ("model", format!("{} ({})", of.model, of.entry)),
            ("step", format!("{}, try {}", of.step, of.n)),
            ("cost", of.cost.to_string()),
            ("accepted", time(times.accepted_at)),
            ("deadline", time(times.deadline_at)),
            ("given up", time(times.give_up_at)),
            ("open", format!("{} tries, {} sends owed", times.open_tries, times.owed)),
        ]),
        tries(&of.tries),
    ];
    parts.extend(of.batches.iter().map(batch));
    if let Some(grounds) = &of.grounds {
        let well = if grounds.google_well { "well" } else { "not well" };
        parts.push(facts(&[
            ("knobs then", format!("enable-gemini-batch {}", grounds.enable_gemini_batch)),
            ("", format!("traffic-percent {}", grounds.traffic_percent)),
            ("", format!("traffic-ceiling {}", grounds.traffic_ceiling)),
            ("", format!("default-lane {:?}", grounds.default_lane).to_lowercase()),
            (
                "",
                format!("when-budget-exhausted {:?}", grounds.when_budget_exhausted).to_lowercase(),
            ),
            ("Google then", well.to_owned()),
            (
                "money then",
                format!("Google {}, Replicate {}", grounds.google_funded, grounds.replicate_funded),
            ),
        ]));
    }
    parts.push(differences(of));
    parts.join("\n\n")
}

fn tries(tries: &[Try]) -> String {
    let header = ["try", "lane", "backend", "state", "gave", "ended", "waits", "reserved", "cost"];
    let mut table = table(&header, 6);
    for one in tries {
        let rescue = if one.rescue { " (rescue)" } else { "" };
        table.add_row([
            format!("{}{rescue}", one.attempt_id),
            one.lane.to_string(),
            one.backend.to_string(),
            one.state.clone(),
            or_dash(one.outcome.clone()),
            or_dash(one.ended_at.map(time)),
            one.waits.to_string(),
            one.reserved.to_string(),
            one.cost.to_string(),
        ]);
    }
    format!("Tries\n{table}")
}

fn batch(batch: &Joined) -> String {
    let sealed = batch.sealed_at.zip(batch.seal_reason);
    let sealed = sealed.map(|(at, reason)| format!("by {reason}, {}", time(at)));
    facts(&[
        ("batch", batch.batch_id.to_string()),
        ("status", format!("{}, {} renders", batch.status, batch.renders)),
        ("opened", time(batch.opened_at)),
        ("sealed", or_dash(sealed)),
    ])
}

fn differences(of: &Explanation) -> String {
    if of.differs.is_empty() {
        return "what follows is what is stored".to_owned();
    }
    let mut table = table(&["DIFFERS", "stored", "derived"], 3);
    for one in &of.differs {
        table.add_row([&one.what, &one.stored, &one.derived]);
    }
    table.to_string()
}
