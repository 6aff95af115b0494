//! Misfortune: what the ports promise holds for whoever persists.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures_util::{TryStreamExt, future::join_all};
use tryon_core::{
    batch::BatchPolicy,
    budget::Account,
    contract::fixtures::{attempt, batch_key, order, render, start, unlimited},
    memory::{
        Call, Chaos, MemoryAttempts, MemoryBus, MemoryDatabase, MemoryObjects, MemoryQueues,
        Mishap, Rates, Rule, SeededRandom,
    },
    money::Micros,
    picture::Mime,
    ports::{
        Announcement, Attempts, Batches, Bus, Inserted, Objects, Outgoing, PortError, Queue,
        QueueName, Renders, Written,
    },
};

use crate::{chaos, clock, persist, queues};

fn rough() -> Arc<Chaos> {
    let chaos = chaos();
    chaos.set_rates(Rates::all(800));
    chaos
}

#[tokio::test]
async fn every_accepted_render_is_gathered_once() {
    let chaos = rough();
    let database = &MemoryDatabase::new(chaos.clone());
    let random = &SeededRandom::new(3);
    let clients = (0..8).map(|client| async move {
        for n in (0..30).map(|i| 1 + client * 30 + i) {
            let accepted = render(n);
            let inserted =
                persist(async || database.insert(accepted.clone(), unlimited()).await).await;
            assert!(match inserted {
                Inserted::New => true,
                Inserted::Existing(existing) => existing.id == accepted.id,
                Inserted::Limited { .. } => false,
            });
            let orders = vec![order(&accepted)];
            let (key, policy) = (batch_key(), BatchPolicy::default());
            persist(async || database.append(&key, orders.clone(), start(), &policy, random).await)
                .await;
        }
    });
    join_all(clients).await;
    let sizes: Vec<_> = database.batches().iter().map(|batch| batch.orders.len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 240);
    assert!(sizes.len() == 5 && sizes.iter().all(|size| *size <= 50), "{sizes:?}");
    let joined = database.renders().iter().filter(|render| render.open_attempts.len() == 1).count();
    assert_eq!(joined, 240);
    assert!(chaos.met().contains_key(&(Call::BatchAppend, Mishap::Lost)));
}

#[tokio::test]
async fn lost_acknowledgements_reserve_nothing_twice() {
    let chaos = rough();
    let attempts = &MemoryAttempts::new(chaos.clone());
    let budget = Micros::new(5_000_000);
    let racers = (0..1_000).map(|n| async move {
        let open = attempt(n, &[Micros::new(100_000)]).open(budget, start(), start());
        let written = persist(async || attempts.write(&open).await).await;
        // After a conflict the row says whose it is.
        let row = persist(async || attempts.get(&open.attempt.id).await).await;
        (written, row.is_some())
    });
    let met = join_all(racers).await;
    let refused = met.iter().filter(|(met, _)| matches!(met, Written::NoHeadroom(_))).count();
    let admitted = met.iter().filter(|(_, row)| *row).count();
    let balance = attempts.balances()[&(start().date_naive(), Account::Google)];
    assert_eq!(balance.reserved, Micros::new(100_000 * admitted as u64));
    assert_eq!(balance.reservations, admitted as u64);
    // Who met a made-up conflict gave up here; nobody was admitted beyond the cap.
    assert!(admitted <= 45 && admitted + refused <= 1_000);
    assert!(attempts.attempts().len() == admitted);
    assert!(chaos.met().contains_key(&(Call::AttemptWrite, Mishap::Lost)));
}

#[tokio::test(start_paused = true)]
async fn every_sent_message_arrives_some_more_than_once_and_late() {
    let chaos = rough();
    let queues = queues(&chaos);
    for i in 0..500 {
        let message = vec![Outgoing::now(i.to_string())];
        persist(async || queues.send(QueueName::ImagenOnline, message.clone()).await).await;
    }
    let order = consume(&queues, QueueName::ImagenOnline, 60).await;
    let received: BTreeSet<_> = order.iter().collect();
    assert_eq!(received.len(), 500);
    assert!(order.len() > 520, "{} deliveries", order.len());
    assert!(!order.is_sorted_by_key(|body| body.parse::<u32>().unwrap()));
    assert_eq!(queues.dlq(QueueName::ImagenOnline), []);
}

#[tokio::test(start_paused = true)]
async fn every_published_event_arrives() {
    let chaos = rough();
    let queues = queues(&chaos);
    let bus = MemoryBus::new(clock(), chaos, queues.clone(), Rule::of_the_house());
    for i in 0..500 {
        let detail = format!(r#"{{"shard": {}, "i": {i}}}"#, i % 4);
        let source = "gemini.batch";
        let event = Announcement { source, detail_type: "gemini.batch.failed", detail };
        persist(async || bus.publish(vec![event.clone()]).await).await;
    }
    let received = consume(&queues, QueueName::GeminiBatch, 900).await;
    assert_eq!(received.iter().collect::<BTreeSet<_>>().len(), 500);
    assert!(received.len() > 500, "copies later than five minutes are no repeats");
}

/// Receives and deletes for so many seconds of quiet.
async fn consume(queues: &MemoryQueues, queue: QueueName, quiet: u64) -> Vec<String> {
    let mut bodies = Vec::new();
    let wait = || tokio::time::timeout(Duration::from_secs(quiet), queues.wait_for_message(queue));
    while wait().await.is_ok() {
        for message in queues.receive(queue, 10, Duration::from_secs(20)) {
            queues.delete(&message.receipt);
            bodies.push(message.body);
        }
    }
    bodies
}

#[tokio::test]
async fn of_several_sends_some_may_be_made() {
    let chaos = chaos();
    let queues = queues(&chaos);
    chaos.fail_next(Call::QueueSend, Mishap::Conflict);
    let messages = (0..10).map(|i| Outgoing::now(i.to_string())).collect();
    let met = queues.send(QueueName::Accumulator, messages).await;
    assert!(matches!(met, Err(PortError::Unavailable(_))));
    assert!(queues.depth(QueueName::Accumulator).total() < 10);
}

#[tokio::test]
async fn one_of_several_rows_meets_another_writer() {
    let chaos = chaos();
    let database = MemoryDatabase::new(chaos.clone());
    let mut rows = Vec::new();
    for n in 0..4 {
        database.insert(render(n), unlimited()).await.unwrap();
        rows.extend(Renders::get(&database, &[render(n).id]).await.unwrap());
    }
    chaos.fail_next(Call::RenderUpdate, Mishap::Conflict);
    let written = Renders::update(&database, &rows).await.unwrap();
    assert_eq!(written.iter().filter(|written| !**written).count(), 1);
}

#[tokio::test]
async fn bytes_break_off_half_way() {
    let chaos = chaos();
    let objects = MemoryObjects::new(chaos.clone());
    objects.put("a", vec![7; 200_000].into(), Mime::Jpeg).await.unwrap();
    chaos.fail_next(Call::ObjectGet, Mishap::Lost);
    let broken = objects.get("a").await.unwrap().unwrap();
    assert!(broken.try_collect::<Vec<_>>().await.is_err());
    let whole = objects.get("a").await.unwrap().unwrap();
    assert_eq!(whole.try_collect::<Vec<_>>().await.unwrap().concat().len(), 200_000);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_consumer_wakes_for_what_comes() {
    let queues = queues(&chaos());
    let clock = clock();
    let began = clock.now();
    let queue = QueueName::ImagenJobs;
    let waiter = tokio::spawn({
        let (queues, clock) = (queues.clone(), clock.clone());
        async move {
            queues.wait_for_message(queue).await;
            clock.now()
        }
    });
    clock.sleep(Duration::from_secs(10)).await;
    queues.send(queue, vec![Outgoing::delayed("a".to_owned(), 30)]).await.unwrap();
    queues.send(queue, vec![Outgoing::delayed("b".to_owned(), 5)]).await.unwrap();
    assert_eq!(queues.depth(queue).hidden, 2);
    assert_eq!(waiter.await.unwrap(), began + TimeDelta::seconds(15));
    assert_eq!(queues.depth(queue).visible, 1);
    clock.sleep(Duration::from_secs(5)).await;
    assert_eq!(queues.oldest_age(queue), Some(TimeDelta::seconds(10)));
}

#[tokio::test(start_paused = true)]
async fn a_fifo_receipt_that_ran_out_deletes_nothing() {
    let queues = queues(&chaos());
    let queue = QueueName::GeminiBatch;
    let message = Outgoing::in_group("a".to_owned(), "g".to_owned());
    queues.send(queue, vec![message]).await.unwrap();
    let late = queues.receive(queue, 1, Duration::from_secs(1)).remove(0);
    clock().sleep(Duration::from_secs(1)).await;
    queues.delete(&late.receipt);
    let again = queues.receive(queue, 1, Duration::from_secs(1)).remove(0);
    assert_eq!((again.message_id, again.receive_count), (late.message_id, 2));
}
