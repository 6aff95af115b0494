//! Queues, seen from both sides.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::{
    polling::MAX_DELAY_SECONDS,
    ports::{Backlog, Backlogs, Outgoing, PortError, Queue, QueueName},
};

/// A message as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub body: String,
    pub group: Option<String>,
    pub receive_count: u32,
    /// Whatever the adapter deletes it by.
    pub receipt: String,
}

/// What a consumer does with a queue, and time.
#[async_trait]
pub trait QueueHarness: Send + Sync + fmt::Debug {
    fn queue(&self) -> &dyn Queue;
    fn backlogs(&self) -> &dyn Backlogs;
    /// Up to `most` messages, hidden for `visibility` from then on; none if none comes soon.
    async fn receive(&self, queue: QueueName, most: usize, visibility: Duration) -> Vec<Delivery>;
    async fn delete(&self, queue: QueueName, delivery: &Delivery);
    /// Bodies of the messages put aside.
    async fn dead(&self, queue: QueueName) -> Vec<String>;
    /// Lets time pass; real time, where there is no other.
    async fn advance(&self, duration: Duration);
}

const STANDARD: QueueName = QueueName::ImagenJobs;
const FIFO: QueueName = QueueName::GeminiBatch;
const HIDDEN: Duration = Duration::from_secs(4);

/// Everything below on one set of empty queues, but what takes minutes; takes half a minute of the
/// harness's time.
pub async fn suite(harness: &dyn QueueHarness) {
    a_backlog_counts_what_stands_there(harness).await;
    what_is_sent_is_received(harness).await;
    delays_are_kept(harness).await;
    what_is_not_deleted_comes_again(harness).await;
    what_no_queue_takes_is_refused(harness).await;
    what_is_rejected_is_put_aside(harness).await;
    a_group_keeps_its_order(harness).await;
    a_group_waits_for_what_is_in_flight(harness).await;
    repeats_are_dropped(harness).await;
    what_is_received_too_often_is_put_aside(harness).await;
}

fn grouped(body: &str, group: &str) -> Outgoing {
    Outgoing::in_group(body.to_owned(), group.to_owned())
}

/// On empty queues. Real ones count only roughly, and with some delay.
async fn a_backlog_counts_what_stands_there(harness: &dyn QueueHarness) {
    let look = async || {
        let backlogs = harness.backlogs().backlogs().await.unwrap();
        assert_eq!(backlogs.iter().map(|b| b.queue).collect::<Vec<_>>(), QueueName::ALL);
        backlogs.into_iter().find(|backlog| backlog.queue == STANDARD).unwrap()
    };
    let empty = Backlog { queue: STANDARD, messages: 0, oldest_seconds: None, dead: 0 };
    assert_eq!(look().await, empty);
    send(harness, STANDARD, vec![Outgoing::now("a".to_owned())]).await;
    harness.advance(Duration::from_secs(3)).await;
    let one = look().await;
    assert_eq!((one.messages, one.dead), (1, 0));
    assert!(one.oldest_seconds.is_none_or(|s| (3..=30).contains(&s)), "{one:?}");
    for delivery in harness.receive(STANDARD, 10, HIDDEN).await {
        harness.delete(STANDARD, &delivery).await;
    }
    assert_eq!(look().await, empty);
}

async fn send(harness: &dyn QueueHarness, queue: QueueName, messages: Vec<Outgoing>) {
    assert_eq!(harness.queue().send(queue, messages).await, Ok(()));
}

/// Receives and deletes until nothing comes.
async fn drain(harness: &dyn QueueHarness, queue: QueueName) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let received = harness.receive(queue, 10, HIDDEN).await;
        if received.is_empty() {
            return bodies;
        }
        for delivery in received {
            harness.delete(queue, &delivery).await;
            bodies.push(delivery.body);
        }
    }
}

fn bodies(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.body.as_str()).collect()
}

pub async fn what_is_sent_is_received(harness: &dyn QueueHarness) {
    let mut sent: Vec<_> = (0..25).map(|i| format!("message {i}")).collect();
    send(harness, STANDARD, sent.iter().cloned().map(Outgoing::now).collect()).await;
    let mut received = drain(harness, STANDARD).await;
    sent.sort();
    received.sort();
    received.dedup();
    assert_eq!(received, sent, "each at least once, in any order");
    send(harness, STANDARD, vec![]).await;
}

pub async fn delays_are_kept(harness: &dyn QueueHarness) {
    send(harness, STANDARD, vec![Outgoing::delayed("late".to_owned(), 3)]).await;
    assert_eq!(harness.receive(STANDARD, 10, HIDDEN).await, []);
    harness.advance(Duration::from_millis(3_200)).await;
    assert_eq!(drain(harness, STANDARD).await, ["late"]);
}

pub async fn what_is_not_deleted_comes_again(harness: &dyn QueueHarness) {
    send(harness, STANDARD, vec![Outgoing::now("again".to_owned())]).await;
    let first = harness.receive(STANDARD, 10, HIDDEN).await;
    assert_eq!((bodies(&first), first[0].receive_count), (vec!["again"], 1));
    assert_eq!(harness.receive(STANDARD, 10, HIDDEN).await, [], "it is in flight");
    harness.advance(HIDDEN).await;
    let second = harness.receive(STANDARD, 10, HIDDEN).await;
    assert_eq!((bodies(&second), second[0].receive_count), (vec!["again"], 2));
    harness.delete(STANDARD, &second[0]).await;
    harness.advance(HIDDEN).await;
    assert_eq!(harness.receive(STANDARD, 10, HIDDEN).await, []);
}

pub async fn what_no_queue_takes_is_refused(harness: &dyn QueueHarness) {
    let long = "x".repeat(1_024 * 1_024 + 1);
    let delayed = |seconds| Outgoing::delayed("a".to_owned(), seconds);
    let refused = [
        (STANDARD, Outgoing::now(String::new())),
        (STANDARD, Outgoing::now(long.clone())),
        (STANDARD, Outgoing::now("\u{ffff}".to_owned())),
        (FIFO, grouped("\0", "g")),
        (STANDARD, delayed(MAX_DELAY_SECONDS + 1)),
        (STANDARD, Outgoing { dedup: Some("d".to_owned()), ..delayed(0) }),
        (FIFO, grouped(&long, "g")),
        (FIFO, delayed(0)),
        (FIFO, grouped("a", &"g".repeat(129))),
        (FIFO, Outgoing { delay_seconds: 1, ..grouped("a", "g") }),
    ];
    for (queue, message) in refused {
        let group = message.group.clone();
        let met = harness.queue().send(queue, vec![message]).await;
        assert!(matches!(met, Err(PortError::Broken(_))), "{queue:?} {group:?}: {met:?}");
    }
    let longest = "x".repeat(1_024 * 1_024);
    send(harness, STANDARD, vec![Outgoing::now(longest)]).await;
    assert_eq!(drain(harness, STANDARD).await.len(), 1);
    assert_eq!(drain(harness, FIFO).await, Vec::<String>::new());
}

pub async fn what_is_rejected_is_put_aside(harness: &dyn QueueHarness) {
    for queue in [STANDARD, FIFO] {
        let body = format!("poison of {}", queue.as_str());
        assert_eq!(harness.queue().reject(queue, body.clone(), "unreadable").await, Ok(()));
        assert!(harness.dead(queue).await.contains(&body));
        assert_eq!(harness.receive(queue, 10, HIDDEN).await, []);
    }
}

pub async fn a_group_keeps_its_order(harness: &dyn QueueHarness) {
    let of = |group: &str| (0..12).map(|i| format!("{group}{i}")).collect::<Vec<_>>();
    let (a, b) = (of("a"), of("b"));
    for (a, b) in a.iter().zip(&b) {
        send(harness, FIFO, vec![grouped(a, "a"), grouped(b, "b")]).await;
    }
    let received = drain(harness, FIFO).await;
    let (of_a, of_b): (Vec<_>, Vec<_>) = received.into_iter().partition(|x| x.starts_with('a'));
    assert_eq!((of_a, of_b), (a, b));
}

pub async fn a_group_waits_for_what_is_in_flight(harness: &dyn QueueHarness) {
    send(harness, FIFO, vec![grouped("c1", "c"), grouped("c2", "c"), grouped("c3", "c")]).await;
    let first = harness.receive(FIFO, 2, HIDDEN).await;
    assert_eq!(bodies(&first), ["c1", "c2"]);
    assert_eq!(first[0].group.as_deref(), Some("c"));
    send(harness, FIFO, vec![grouped("d1", "d")]).await;
    assert_eq!(drain(harness, FIFO).await, ["d1"], "other groups go on");
    harness.delete(FIFO, &first[0]).await;
    assert_eq!(harness.receive(FIFO, 10, HIDDEN).await, [], "c2 is still in flight");
    harness.advance(HIDDEN).await;
    let again = harness.receive(FIFO, 10, HIDDEN).await;
    assert_eq!(bodies(&again), ["c2", "c3"], "and comes before what follows it");
    for delivery in &again {
        harness.delete(FIFO, delivery).await;
    }
}

pub async fn repeats_are_dropped(harness: &dyn QueueHarness) {
    let named =
        |body: &str, id: &str| Outgoing { dedup: Some(id.to_owned()), ..grouped(body, "repeats") };
    send(harness, FIFO, vec![grouped("same", "repeats"), grouped("same", "repeats")]).await;
    send(harness, FIFO, vec![named("one", "id 1"), named("other", "id 1")]).await;
    send(harness, FIFO, vec![named("one", "id 2")]).await;
    assert_eq!(drain(harness, FIFO).await, ["same", "one", "one"]);
    send(harness, FIFO, vec![grouped("same", "repeats")]).await;
    assert_eq!(drain(harness, FIFO).await, Vec::<String>::new(), "though the first is gone");
}

pub async fn what_is_received_too_often_is_put_aside(harness: &dyn QueueHarness) {
    let second = Duration::from_secs(1);
    for (queue, message, most) in [
        (STANDARD, Outgoing::now("hopeless".to_owned()), 5),
        (FIFO, grouped("hopeless", "hopeless"), 3),
    ] {
        send(harness, queue, vec![message]).await;
        for count in 1..=most {
            let received = harness.receive(queue, 10, second).await;
            assert_eq!(received.first().map(|delivery| delivery.receive_count), Some(count));
            harness.advance(second).await;
        }
        assert_eq!(harness.receive(queue, 10, second).await, []);
        assert!(harness.dead(queue).await.contains(&"hopeless".to_owned()));
    }
    send(harness, FIFO, vec![grouped("hopeful", "hopeless")]).await;
    assert_eq!(drain(harness, FIFO).await, ["hopeful"], "its group goes on");
}

/// Takes five minutes of the harness's time.
pub async fn repeats_count_again_after_five_minutes(harness: &dyn QueueHarness) {
    let repeat = || grouped("every now and then", "seldom");
    send(harness, FIFO, vec![repeat()]).await;
    harness.advance(Duration::from_secs(290)).await;
    // A repeat does not prolong it.
    send(harness, FIFO, vec![repeat()]).await;
    assert_eq!(drain(harness, FIFO).await.len(), 1);
    harness.advance(Duration::from_secs(15)).await;
    send(harness, FIFO, vec![repeat()]).await;
    assert_eq!(drain(harness, FIFO).await.len(), 1);
}

/// Takes fifteen minutes of the harness's time.
pub async fn the_longest_delay_is_kept(harness: &dyn QueueHarness) {
    let last = Outgoing::delayed("last".to_owned(), MAX_DELAY_SECONDS);
    send(harness, STANDARD, vec![last]).await;
    harness.advance(Duration::from_secs(895)).await;
    assert_eq!(harness.receive(STANDARD, 10, HIDDEN).await, []);
    harness.advance(Duration::from_secs(6)).await;
    assert_eq!(drain(harness, STANDARD).await, ["last"]);
}
