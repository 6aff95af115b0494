//! Ratings, and the audit of what ops and the rollout did.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::json;

use super::fixtures::{online_render, render_id, start, unlimited};
use crate::{
    audit::{Act, AuditEntry},
    gates::{Gate, Phase},
    ids::AuditId,
    ports::{Audit, Inserted, Ratings, Renders},
    rating::Rating,
    routing::Percent,
};

fn stars(number: u8) -> Rating {
    Rating::try_from(number).unwrap()
}

/// Ratings beside the renders they are of, on one empty store.
pub async fn ratings(renders: &dyn Renders, ratings: &dyn Ratings) {
    let rate = async |n, number| ratings.rate(&render_id(n), stars(number), start()).await;
    for n in 2_000..2_003 {
        assert_eq!(renders.insert(online_render(n), unlimited()).await, Ok(Inserted::New));
    }
    assert_eq!(rate(2_000, 4).await, Ok(Some(stars(4))));
    assert_eq!(rate(2_000, 1).await, Ok(Some(stars(4))), "the first one stays");
    assert_eq!(rate(2_001, 1).await, Ok(Some(stars(1))), "each has its own");
    assert_eq!(rate(2_009, 5).await, Ok(None), "there is no such render");
    let racing = join_all((1..=5).map(|number| rate(2_002, number))).await;
    let kept = rate(2_002, 1).await;
    assert!(matches!(kept, Ok(Some(_))));
    assert!(racing.iter().all(|answer| *answer == kept), "all are told the same: {racing:?}");
}

fn entry(id: &str, minute: i64, act: Act) -> AuditEntry {
    let (id, at) = (AuditId::from(id), start() + TimeDelta::minutes(minute));
    AuditEntry::new(id, at, "ops", act, "because", json!({"images": 7, "at": [1.5, null]})).unwrap()
}

/// The audit, on an empty store.
pub async fn audit(audit: &dyn Audit) {
    let percent = |points| Percent::from_basis_points(points).unwrap();
    let (from, to) = (percent(1_000), percent(1_250));
    let until = start() + TimeDelta::days(3);
    let acts = [
        Act::TrafficSet { from, to },
        Act::CeilingSet { from, to },
        Act::Waived { gate: Gate::Quality, until },
        Act::Forgotten,
        Act::Redriven,
        Act::RolledBack { from, to, because: Gate::Cost },
        Act::Ready { next: Phase::Fifty },
        Act::Raised { from, to },
    ];
    let mut entries: Vec<_> = (0..)
        .zip(acts)
        // Of two at the same minute the greater id is the newer.
        .map(|(n, act)| entry(&format!("entry-{n}"), n / 2, act))
        .collect();
    let recent = async |since: DateTime<Utc>, most| audit.recent(since, most).await.unwrap();
    assert_eq!(recent(start(), 9).await, []);
    for entry in &entries {
        assert_eq!(audit.record(entry).await, Ok(true));
    }
    let mut other = entries[0].clone();
    other.act = Act::Forgotten;
    assert_eq!(audit.record(&other).await, Ok(false), "what is kept does not change");
    entries.reverse();
    assert_eq!(recent(start(), 9).await, entries);
    assert_eq!(recent(start(), 3).await, entries[..3]);
    assert_eq!(recent(start() + TimeDelta::minutes(2), 9).await, entries[..4]);
    assert_eq!(recent(start() + TimeDelta::minutes(4), 9).await, []);
    let kinds = ["ready", "forgotten"];
    let acts = audit.acts(&kinds, start(), 9).await.unwrap();
    assert_eq!(acts, [entries[1].clone(), entries[4].clone()]);
    assert_eq!(audit.acts(&kinds, start(), 1).await.unwrap(), acts[..1]);
    assert_eq!(audit.acts(&[], start(), 9).await, Ok(vec![]));
    let raced = entry("raced", 9, Act::Redriven);
    let racing = join_all((0..5).map(|_| audit.record(&raced))).await;
    assert_eq!(racing.into_iter().filter(|new| *new == Ok(true)).count(), 1);
}
