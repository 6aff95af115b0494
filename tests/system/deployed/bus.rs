//! What the shop hears on the bus.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tryon_core::ids::RenderId;

use super::stack::Stack;

/// The clients give a call three seconds.
const LOOK_SECONDS: i32 = 2;
const LOOKS: u32 = 45;

/// A queue of one's own behind a rule for everything that renders have to tell.
pub(super) struct Ear<'a> {
    stack: &'a Stack,
    queue: String,
    heard: BTreeMap<String, Vec<Value>>,
}

impl Stack {
    pub(super) async fn listen(&self, name: &str) -> Ear<'_> {
        let created = self.clients.sqs().create_queue().queue_name(name).send().await.unwrap();
        let queue = created.queue_url().unwrap().to_owned();
        let bus = self.output("BusName");
        let events = self.clients.eventbridge();
        let rule = events.put_rule().name(name).event_bus_name(bus);
        let pattern = json!({"source": ["render"]}).to_string();
        rule.event_pattern(pattern).send().await.unwrap();
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
        let target = aws_sdk_eventbridge::types::Target::builder().id("ear").arn(arn);
        let targets = events.put_targets().rule(name).event_bus_name(bus);
        targets.targets(target.build().unwrap()).send().await.unwrap();
        Ear { stack: self, queue, heard: BTreeMap::new() }
    }
}

impl Ear<'_> {
    /// Every event heard of the render, at least one.
    pub(super) async fn of(&mut self, id: &RenderId) -> &[Value] {
        for _ in 0..LOOKS {
            if self.heard.contains_key(id.as_str()) {
                break;
            }
            self.hear().await;
        }
        self.heard.get(id.as_str()).unwrap_or_else(|| panic!("nothing was heard of {id}"))
    }

    /// Takes what has come, or comes within two seconds.
    pub(super) async fn hear(&mut self) {
        let sqs = self.stack.clients.sqs();
        let receive = sqs.receive_message().queue_url(&self.queue).max_number_of_messages(10);
        let found = receive.wait_time_seconds(LOOK_SECONDS).send().await.unwrap();
        for message in found.messages() {
            let event: Value = serde_json::from_str(message.body().unwrap()).unwrap();
            let id = event["detail"]["render_id"].as_str().unwrap().to_owned();
            self.heard.entry(id).or_default().push(event);
            let handle = message.receipt_handle().unwrap();
            let delete = sqs.delete_message().queue_url(&self.queue).receipt_handle(handle);
            delete.send().await.unwrap();
        }
    }
}
