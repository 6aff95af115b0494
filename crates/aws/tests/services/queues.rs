use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_sqs::{
    Client,
    types::{MessageSystemAttributeName, QueueAttributeName},
};
use tryon_aws::{QueueUrls, SqsQueues};
use tryon_core::{
    contract::{
        self,
        queues::{Delivery, QueueHarness},
    },
    ports::{Backlogs, Clock, Queue, QueueName},
};

use crate::support::{clients, random, real_clock, unique};

/// The queues of the house under names of their own, with their receiving side. Two clients send by
/// turns.
pub(crate) struct Harness {
    sqs: Client,
    clock: Arc<dyn Clock>,
    urls: BTreeMap<QueueName, QueueUrls>,
    senders: [SqsQueues; 2],
    turn: AtomicUsize,
    /// What was found among the dead letters so far.
    dead: Mutex<BTreeMap<QueueName, Vec<DeadLetter>>>,
}

struct DeadLetter {
    body: String,
    reason: Option<String>,
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Harness")
    }
}

impl Harness {
    pub(crate) async fn new(test: &str) -> Self {
        let (one, other) = (clients().await, clients().await);
        let sqs = one.sqs().clone();
        let mut urls = BTreeMap::new();
        for queue in QueueName::ALL {
            urls.insert(queue, create(&sqs, test, queue).await);
        }
        let clock = real_clock();
        let senders = [&one, &other].map(|clients| {
            SqsQueues::new(clients.sqs().clone(), clock.clone(), random(), urls.clone())
        });
        Self { sqs, clock, urls, senders, turn: AtomicUsize::new(0), dead: Mutex::default() }
    }

    pub(crate) fn url(&self, queue: QueueName) -> &str {
        self.urls[&queue].queue.as_deref().unwrap()
    }

    pub(crate) async fn arn(&self, queue: QueueName) -> String {
        arn(&self.sqs, self.url(queue)).await
    }

    fn sender(&self) -> &SqsQueues {
        &self.senders[self.turn.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

async fn arn(sqs: &Client, url: &str) -> String {
    let name = QueueAttributeName::QueueArn;
    let ask = sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone());
    ask.send().await.unwrap().attributes().unwrap()[&name].clone()
}

/// A queue and its dead letters, set up as they are deployed.
async fn create(sqs: &Client, test: &str, queue: QueueName) -> QueueUrls {
    let kind = if queue.is_fifo() { ".fifo" } else { "" };
    let name = queue.as_str().trim_end_matches(".fifo");
    let make = async |name: String, redrive: Option<String>| {
        let mut call = sqs.create_queue().queue_name(name);
        if queue.is_fifo() {
            call = call.attributes(QueueAttributeName::FifoQueue, "true");
            call = call.attributes(QueueAttributeName::ContentBasedDeduplication, "true");
        }
        if let Some(redrive) = redrive {
            call = call.attributes(QueueAttributeName::RedrivePolicy, redrive);
        }
        call.send().await.unwrap().queue_url().unwrap().to_owned()
    };
    let test = unique(test);
    let dead = make(format!("{test}-{name}-dead{kind}"), None).await;
    let receives = if queue.is_fifo() { 3 } else { 5 };
    let target = arn(sqs, &dead).await;
    let redrive =
        format!(r#"{{"deadLetterTargetArn": "{target}", "maxReceiveCount": "{receives}"}}"#);
    let main = make(format!("{test}-{name}{kind}"), Some(redrive)).await;
    QueueUrls { queue: Some(main), dead: Some(dead) }
}

#[async_trait]
impl QueueHarness for Harness {
    fn queue(&self) -> &dyn Queue {
        self.sender()
    }

    fn backlogs(&self) -> &dyn Backlogs {
        self.sender()
    }

    async fn receive(&self, queue: QueueName, most: usize, visibility: Duration) -> Vec<Delivery> {
        let call = self.sqs.receive_message().queue_url(self.url(queue)).wait_time_seconds(1);
        let call = call.max_number_of_messages(most.try_into().unwrap());
        let call = call.visibility_timeout(visibility.as_secs().try_into().unwrap());
        let call = call.message_system_attribute_names(MessageSystemAttributeName::All);
        let received = call.send().await.unwrap();
        let delivery = |message: &aws_sdk_sqs::types::Message| {
            let attributes = message.attributes().unwrap();
            let count = &attributes[&MessageSystemAttributeName::ApproximateReceiveCount];
            Delivery {
                body: message.body().unwrap().to_owned(),
                group: attributes.get(&MessageSystemAttributeName::MessageGroupId).cloned(),
                receive_count: count.parse().unwrap(),
                receipt: message.receipt_handle().unwrap().to_owned(),
            }
        };
        received.messages().iter().map(delivery).collect()
    }

    async fn delete(&self, queue: QueueName, delivery: &Delivery) {
        let call = self.sqs.delete_message().queue_url(self.url(queue));
        call.receipt_handle(&delivery.receipt).send().await.unwrap();
    }

    async fn dead(&self, queue: QueueName) -> Vec<String> {
        let url = self.urls[&queue].dead.as_deref().unwrap();
        loop {
            let call = self.sqs.receive_message().queue_url(url).message_attribute_names("All");
            let received = call.max_number_of_messages(10).wait_time_seconds(1).send().await;
            let received = received.unwrap();
            if received.messages().is_empty() {
                break;
            }
            for message in received.messages() {
                let reason = message.message_attributes().and_then(|all| all.get("reason"));
                let reason = reason.and_then(|reason| reason.string_value()).map(str::to_owned);
                let body = message.body().unwrap().to_owned();
                self.dead
                    .lock()
                    .unwrap()
                    .entry(queue)
                    .or_default()
                    .push(DeadLetter { body, reason });
                let call = self.sqs.delete_message().queue_url(url);
                call.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
            }
        }
        let dead = self.dead.lock().unwrap();
        dead.get(&queue).into_iter().flatten().map(|letter| letter.body.clone()).collect()
    }

    async fn advance(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}

#[tokio::test]
#[ignore = "needs the emulated AWS: tests/with-services"]
async fn the_suite_with_two_clients() {
    let harness = Harness::new("suite").await;
    contract::queues::suite(&harness).await;
    let dead = harness.dead.lock().unwrap();
    for queue in [QueueName::ImagenJobs, QueueName::GeminiBatch] {
        let poison = dead[&queue].iter().find(|letter| letter.body.starts_with("poison"));
        assert_eq!(poison.unwrap().reason.as_deref(), Some("unreadable"));
    }
}
