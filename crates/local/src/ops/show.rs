//! Answers of the ops routes as tables for people.

mod render;

use std::fmt::Write;

use chrono::{DateTime, Utc};
use comfy_table::Table;
use serde::Deserialize;
use tryon_core::{
    gates::{Finding, Waiver},
    ops::{
        AccountStatus, BatchLine, BudgetStatus, OpsStatus, Receipt, RolloutStatus, Share, Standing,
    },
};

pub(super) use self::render::explanation;
use crate::report::table;

#[derive(Debug, Deserialize)]
pub(super) struct Batches {
    batches: Vec<BatchLine>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Redriven {
    queue: String,
    messages: u64,
}

/// Names and values, a line each.
fn facts(facts: &[(&str, String)]) -> String {
    facts.iter().fold(String::new(), |mut text, (name, value)| {
        // Writing to a string never fails.
        write!(text, "{}{name:<13} {value}", if text.is_empty() { "" } else { "\n" }).ok();
        text
    })
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%F %T UTC").to_string()
}

fn usd(amount: f64) -> String {
    format!("${amount:.2}")
}

pub(super) fn status(status: &OpsStatus) -> String {
    let OpsStatus { traffic, budget, backends, queues, .. } = status;
    let mut breakers = table(&["backend", "breaker", "failed"], 2);
    for line in backends {
        let failed = format!("{} %", line.failed_percent);
        breakers.add_row([line.name.clone(), line.breaker.clone(), failed]);
    }
    let mut waiting = table(&["queue", "messages", "oldest", "put aside"], 1);
    for queue in queues {
        let oldest = queue.oldest_seconds.map(|seconds| format!("{seconds} s"));
        let (messages, dead) = (queue.messages.to_string(), queue.dead.to_string());
        waiting.add_row([queue.name.clone(), messages, or_dash(oldest), dead]);
    }
    let good = if status.good { "good" } else { "LOOK: something below is not as it should be" };
    [
        facts(&[("house", good.to_owned()), ("at", time(status.at))]),
        self::traffic(traffic),
        format!("Renders of the last hour\n{}", shares(&status.shares)),
        self::budget(budget),
        format!("Backends\n{breakers}"),
        facts(&[
            ("open batches", status.open_batches.to_string()),
            ("jobs", status.jobs.to_string()),
        ]),
        format!("Queues\n{waiting}"),
        gates(&status.rollout),
    ]
    .join("\n\n")
}

fn shares(shares: &[Share]) -> Table {
    let mut table = table(&["assigned", "served", "lane", "renders", "succeeded", "failed"], 3);
    for share in shares {
        table.add_row([
            share.assigned.to_string(),
            share.served.to_string(),
            share.lane.to_string(),
            share.renders.to_string(),
            share.succeeded.to_string(),
            share.failed.to_string(),
        ]);
    }
    table
}

pub(super) fn traffic(traffic: &Standing) -> String {
    let failing: Vec<_> = traffic.failing.iter().map(ToString::to_string).collect();
    let failing = if failing.is_empty() { "none".to_owned() } else { failing.join(", ") };
    let route = if traffic.enabled { "open" } else { "closed (enable-gemini-batch)" };
    let back = if traffic.rolled_back { ", rolled back" } else { "" };
    facts(&[
        ("Gemini route", route.to_owned()),
        ("in force", format!("{} %", traffic.in_force)),
        ("percent", format!("{} % (by ops)", traffic.traffic_percent)),
        ("ceiling", format!("{} % (by the rollout{back})", traffic.traffic_ceiling)),
        ("failing gates", failing),
    ])
}

pub(super) fn budget(budget: &BudgetStatus) -> String {
    let mut table = table(&[&format!("{} UTC", budget.date), "Google", "Replicate"], 1);
    let mut row = |name: &str, of: fn(&AccountStatus) -> String| {
        table.add_row([name.to_owned(), of(&budget.google), of(&budget.replicate)]);
    };
    row("budget breaker", |account| account.breaker.clone());
    row("budget", |account| usd(account.daily_budget_usd));
    row("never passed", |account| usd(account.cap_usd));
    row("committed", |account| format!("{} %", account.committed_percent));
    row("settled", |account| usd(account.settled_usd));
    row("reserved", |account| usd(account.reserved_usd));
    row("held", |account| usd(account.held_usd));
    row("rescues", |account| usd(account.rescues_usd));
    row("reservations", |account| account.reservations.to_string());
    format!("Budget\n{table}")
}

pub(super) fn batches(answer: &Batches) -> String {
    let header = ["batch", "status", "model", "opened", "sealed", "by", "renders", "handed on"];
    let mut table = table(&header, 6);
    for batch in &answer.batches {
        let stuck = if batch.stuck { " STUCK" } else { "" };
        table.add_row([
            batch.batch_id.to_string(),
            format!("{}{stuck}", batch.status),
            batch.model.clone(),
            time(batch.opened_at),
            or_dash(batch.sealed_at.map(time)),
            or_dash(batch.seal_reason.map(|reason| reason.to_string())),
            batch.renders.to_string(),
            (batch.retries + 1).to_string(),
        ]);
    }
    if answer.batches.is_empty() { "no batch is under way".to_owned() } else { table.to_string() }
}

#[expect(clippy::ref_option, reason = "it is what an answer is read as")]
pub(super) fn gates(status: &Option<RolloutStatus>) -> String {
    let Some(status) = status else { return "the rollout has not looked yet".to_owned() };
    let header = ["gate", "verdict", "waived", "estimate", "limit", "seen", "needed", "expected"];
    let mut table = table(&header, 3);
    for Finding { gate, figures, eta, waived, .. } in &status.findings {
        table.add_row([
            gate.to_string(),
            figures.verdict.to_string(),
            or_dash(waived.as_ref().map(|waiver| format!("until {}", time(waiver.until)))),
            or_dash(figures.estimate.map(|estimate| format!("{estimate:.4}"))),
            format!("{:.4}", figures.limit),
            figures.count.to_string(),
            or_dash(figures.needed.map(|needed| needed.to_string())),
            or_dash(eta.map(time)),
        ]);
    }
    let says = status.more.get("says").and_then(|says| says.as_str()).unwrap_or_default();
    format!("Gates {says}\n{table}")
}

pub(super) fn waiver(waiver: &Waiver) -> String {
    let Waiver { gate, by, until, .. } = waiver;
    format!("gate {gate} does not count until {}, says {by}", time(*until))
}

pub(super) fn redrive(redriven: &Redriven) -> String {
    format!("about {} messages are on their way to {}", redriven.messages, redriven.queue)
}

pub(super) fn receipt(receipt: &Receipt) -> String {
    let mut text = facts(&[
        ("receipt", or_dash(receipt.audit_id.clone())),
        ("at", time(receipt.at)),
        ("renders", format!("{} rows erased, with their ratings", receipt.renders)),
        ("photos", format!("{} erased", receipt.photos)),
        ("pictures", format!("{} erased", receipt.pictures)),
        ("batches", format!("{} freed of words and photos", receipt.batches)),
        (
            "kept",
            format!("{} paid tries, {}: no person in them", receipt.tries_kept, receipt.cost_kept),
        ),
    ]);
    if let Some(last) = receipt.under_way.iter().map(|render| render.until).max() {
        let count = receipt.under_way.len();
        write!(text, "\n{count} renders go on: ask again after {}", time(last)).ok();
    }
    text
}
