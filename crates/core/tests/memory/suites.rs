use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use proptest::prelude::*;
use tokio::sync::Mutex;
use tryon_core::{
    contract::{
        self, attempts_model,
        batches::Store,
        batches_model::{follow, ops},
        queues::{Delivery, QueueHarness},
    },
    memory::{
        MemoryAttempts, MemoryAudit, MemoryBus, MemoryDatabase, MemoryHealth, MemoryObjects,
        MemoryQueues, MemorySecrets, MemorySettings, Receipt, Rule, SeededRandom,
    },
    ports::{Backlogs, Queue, QueueName, Secret, SecretName, Secrets, SettingsSource},
    settings::Settings,
};

use crate::{chaos, clock, queues, run};

#[tokio::test]
async fn renders() {
    contract::renders::suite(&MemoryDatabase::new(chaos())).await;
}

#[tokio::test]
async fn ratings() {
    let database = MemoryDatabase::new(chaos());
    contract::ops::ratings(&database, &database).await;
}

#[tokio::test]
async fn observations() {
    let database = MemoryDatabase::new(chaos());
    contract::observations::suite(&database, &database, &database).await;
}

#[tokio::test]
async fn audit() {
    contract::ops::audit(&MemoryAudit::new(chaos())).await;
}

#[tokio::test]
async fn batches() {
    let database = MemoryDatabase::new(chaos());
    let random = SeededRandom::new(1);
    let store = Store { renders: &database, batches: &database, random: &random };
    contract::batches::suite(store).await;
}

proptest! {
    #[test]
    fn each_try_joins_one_batch(ops in ops()) {
        let (database, random) = (MemoryDatabase::new(chaos()), SeededRandom::new(5));
        let store = Store { renders: &database, batches: &database, random: &random };
        run(follow(store, &ops))?;
    }
}

#[tokio::test]
async fn attempts() {
    contract::attempts::suite(&MemoryAttempts::new(chaos())).await;
}

#[tokio::test]
async fn health() {
    contract::health::suite(&MemoryHealth::new(chaos())).await;
}

proptest! {
    #[test]
    fn no_cent_is_lost_or_made(ops in attempts_model::ops(80)) {
        run(attempts_model::agree(&[&MemoryAttempts::new(chaos())], ops))?;
    }
}

#[tokio::test]
async fn objects() {
    contract::objects::suite(&MemoryObjects::new(chaos())).await;
}

#[tokio::test(start_paused = true)]
async fn queues_of_both_kinds() {
    contract::queues::suite(&Harness::new(queues(&chaos()))).await;
}

#[tokio::test(start_paused = true)]
async fn queues_over_minutes() {
    let harness = Harness::new(queues(&chaos()));
    contract::queues::repeats_count_again_after_five_minutes(&harness).await;
    contract::queues::the_longest_delay_is_kept(&harness).await;
}

#[tokio::test(start_paused = true)]
async fn the_bus() {
    let harness = Harness::new(queues(&chaos()));
    let rules = Rule::of_the_house();
    let bus = MemoryBus::new(clock(), chaos(), harness.queues.clone(), rules).recording();
    let mut subscriber = bus.subscribe();
    contract::bus::suite(&bus, &harness).await;
    let recorded = bus.drain();
    assert_eq!(recorded.len(), 10, "whether or not a rule matched");
    assert_eq!(subscriber.try_recv().ok().as_ref(), recorded.first());
    assert_eq!(bus.drain(), []);
}

#[tokio::test]
async fn digests_take_the_place_of_bytes() {
    use tryon_core::{picture::Mime, ports::Objects};

    let objects = MemoryObjects::new(chaos()).digest_only("out/");
    let png = &b"\x89PNG\r\n\x1a\n...."[..];
    for key in ["out/a.png", "in/a.png"] {
        objects.put(key, png.into(), Mime::Png).await.unwrap();
    }
    assert_eq!(objects.peek("out/a.png", 9).await, objects.peek("in/a.png", 9).await);
    assert_eq!(objects.digest("out/a.png"), objects.digest("in/a.png"));
    assert!(objects.get("in/a.png").await.is_ok());
    assert!(objects.get("out/a.png").await.is_err());
}

#[tokio::test]
async fn knobs_turn_and_secrets_rotate() {
    let settings = MemorySettings::new(Settings::default());
    settings.set("max-batch-size", "7").unwrap();
    assert!(settings.set("max-batch-size", "51").is_err());
    assert_eq!(settings.settings().await.max_batch_size, 7);

    let name = SecretName::ApiKey;
    let secrets = MemorySecrets::new(chaos(), [(name, Secret::new("old"))]);
    let read = async |fresh| secrets.secret(name, fresh).await.unwrap().reveal().to_owned();
    assert_eq!(read(false).await, "old");
    secrets.set(name, Secret::new("new"));
    assert_eq!(read(false).await, "old", "cached");
    assert_eq!((read(true).await, read(false).await), ("new".to_owned(), "new".to_owned()));
    assert!(secrets.secret(SecretName::ReplicateToken, true).await.is_err());
}

/// The receiving side of the memory queues, on a paused runtime.
#[derive(Debug)]
struct Harness {
    queues: Arc<MemoryQueues>,
    receipts: Mutex<BTreeMap<String, Receipt>>,
}

impl Harness {
    fn new(queues: Arc<MemoryQueues>) -> Self {
        Self { queues, receipts: Mutex::default() }
    }
}

#[async_trait]
impl QueueHarness for Harness {
    fn queue(&self) -> &dyn Queue {
        self.queues.as_ref()
    }

    fn backlogs(&self) -> &dyn Backlogs {
        self.queues.as_ref()
    }

    async fn receive(&self, queue: QueueName, most: usize, visibility: Duration) -> Vec<Delivery> {
        let mut receipts = self.receipts.lock().await;
        let mut deliveries = Vec::new();
        for message in self.queues.receive(queue, most, visibility) {
            let receipt = format!("{:?}", message.receipt);
            receipts.insert(receipt.clone(), message.receipt);
            let (body, group) = (message.body, message.group);
            let receive_count = message.receive_count;
            deliveries.push(Delivery { body, group, receive_count, receipt });
        }
        deliveries
    }

    async fn delete(&self, _queue: QueueName, delivery: &Delivery) {
        self.queues.delete(&self.receipts.lock().await[&delivery.receipt]);
    }

    async fn dead(&self, queue: QueueName) -> Vec<String> {
        self.queues.dlq(queue).into_iter().map(|dead| dead.body).collect()
    }

    async fn advance(&self, duration: Duration) {
        tokio::time::advance(duration).await;
    }
}
