//! The bus, with the rules of the house: what befell an attempt reaches the FIFO queue.

use std::time::Duration;

use serde_json::json;

use super::queues::{Delivery, QueueHarness};
use crate::ports::{Announcement, Bus, PortError, QueueName};

const FIFO: QueueName = QueueName::GeminiBatch;
const HIDDEN: Duration = Duration::from_secs(30);

/// Everything below, on one bus whose rules feed the harness's queues.
pub async fn suite(bus: &dyn Bus, harness: &dyn QueueHarness) {
    an_event_reaches_the_group_of_its_shard(bus, harness).await;
    the_same_news_arrives_once(bus, harness).await;
    what_no_rule_matches_goes_nowhere(bus, harness).await;
    what_is_no_event_is_refused(bus).await;
}

fn event(source: &'static str, detail: &serde_json::Value) -> Announcement {
    Announcement { source, detail_type: "gemini.batch.completed", detail: detail.to_string() }
}

async fn received(harness: &dyn QueueHarness) -> Vec<Delivery> {
    let mut all = Vec::new();
    loop {
        let some = harness.receive(FIFO, 10, HIDDEN).await;
        if some.is_empty() {
            return all;
        }
        for delivery in some {
            harness.delete(FIFO, &delivery).await;
            all.push(delivery);
        }
    }
}

pub async fn an_event_reaches_the_group_of_its_shard(bus: &dyn Bus, harness: &dyn QueueHarness) {
    let details: Vec<_> = (0..4).map(|shard| json!({"v": 1, "shard": shard, "x": "a"})).collect();
    let events = details.iter().map(|detail| event("gemini.batch", detail));
    assert_eq!(bus.publish(events.collect()).await, Ok(()));
    let mut received = received(harness).await;
    received.sort_by(|a, b| a.group.cmp(&b.group));
    assert_eq!(received.len(), 4);
    for (shard, (delivery, detail)) in received.iter().zip(&details).enumerate() {
        assert_eq!(delivery.group, Some(format!("shard-{shard}")));
        let body: serde_json::Value = serde_json::from_str(&delivery.body).unwrap();
        assert_eq!(body, *detail, "the detail alone");
    }
}

pub async fn the_same_news_arrives_once(bus: &dyn Bus, harness: &dyn QueueHarness) {
    let news = event("replicate.render", &json!({"shard": 1, "news": "told twice"}));
    for _ in 0..2 {
        assert_eq!(bus.publish(vec![news.clone()]).await, Ok(()));
    }
    assert_eq!(received(harness).await.len(), 1);
}

pub async fn what_no_rule_matches_goes_nowhere(bus: &dyn Bus, harness: &dyn QueueHarness) {
    let strays = vec![
        event("render", &json!({"shard": 1})),
        event("gemini.batch", &json!({"shard": 4})),
        event("gemini.batch", &json!({"shard": "1"})),
        event("gemini.batch", &json!({})),
    ];
    assert_eq!(bus.publish(strays).await, Ok(()));
    assert_eq!(bus.publish(vec![]).await, Ok(()));
    assert_eq!(received(harness).await, []);
}

pub async fn what_is_no_event_is_refused(bus: &dyn Bus) {
    let long = json!({"shard": 1, "x": "x".repeat(256 * 1_024)});
    let mut refused = vec![event("gemini.batch", &long)];
    for detail in ["", "[1]", "{", "7"] {
        let detail = detail.to_owned();
        refused.push(Announcement { detail, ..event("gemini.batch", &json!({})) });
    }
    for event in refused {
        let met = bus.publish(vec![event]).await;
        assert!(matches!(met, Err(PortError::Broken(_))), "{met:?}");
    }
}
