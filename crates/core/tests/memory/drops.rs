//! A port call has two points at which its caller may be dropped: before the effect, and after it.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tryon_core::{
    batch::BatchPolicy,
    budget::Account,
    contract::fixtures::{
        attempt, batch_id, batch_key, online_render, order, render, start, unlimited,
    },
    memory::{
        MemoryAttempts, MemoryBus, MemoryDatabase, MemoryObjects, MemorySecrets, MemorySettings,
        Rule, SeededRandom,
    },
    money::Micros,
    picture::Mime,
    ports::{
        Announcement, Attempts, Backlogs, Batches, Bus, Ledger, Objects, Outgoing, Queue,
        QueueName, Renders, Secret, SecretName, Secrets, SettingsSource,
    },
    settings::Settings,
};

use crate::{chaos, clock, queues, run};

/// How often the call waits, when polled to its end.
fn points<T>(call: impl Future<Output = T>) -> usize {
    let mut call = pin!(call);
    let mut points = 0;
    while call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        points += 1;
    }
    points
}

/// Drops the call at its `point`-th wait (from 1).
fn drop_at<T>(call: impl Future<Output = T>, point: usize) {
    let mut call = pin!(call);
    for _ in 0..point {
        assert!(matches!(
            call.as_mut().poll(&mut Context::from_waker(Waker::noop())),
            Poll::Pending
        ));
    }
}

#[tokio::test]
async fn every_call_has_two() {
    let chaos = chaos();
    let (now, random, policy) = (start(), SeededRandom::new(1), BatchPolicy::default());
    let row = render(1);
    let database = MemoryDatabase::new(chaos.clone());
    let renders: &dyn Renders = &database;
    assert_eq!(points(renders.insert(row.clone(), unlimited())), 2);
    assert_eq!(points(renders.get(std::slice::from_ref(&row.id))), 2);
    assert_eq!(points(renders.update(std::slice::from_ref(&row))), 2);
    assert_eq!(points(renders.due(now, 1)), 2);
    assert_eq!(points(renders.list(&row.user_id, None, 1)), 2);
    let batches: &dyn Batches = &database;
    let key = batch_key();
    assert_eq!(points(batches.append(&key, vec![order(&row)], now, &policy, &random)), 2);
    assert_eq!(points(batches.get(&batch_id(1))), 2);
    assert_eq!(points(batches.update(&database.batches()[0])), 2);
    assert_eq!(points(batches.due(now, 1)), 2);
    assert_eq!(points(batches.open()), 2);
    let attempts = MemoryAttempts::new(chaos.clone());
    let open = attempt(1, &[]).open(Micros::ZERO, now, now);
    assert_eq!(points(attempts.write(&open)), 2);
    assert_eq!(points(attempts.get(&open.attempt.id)), 2);
    assert_eq!(points(attempts.balance(Account::Google, now.date_naive())), 2);
    assert_eq!(points(attempts.due(now, 1)), 2);
    let queues = queues(&chaos);
    assert_eq!(points(queues.send(QueueName::Accumulator, vec![])), 2);
    assert_eq!(points(queues.reject(QueueName::Accumulator, String::new(), "")), 2);
    assert_eq!(points(queues.backlogs()), 2);
    let bus = MemoryBus::new(clock(), chaos.clone(), queues, Rule::of_the_house());
    assert_eq!(points(bus.publish(vec![])), 2);
    let objects = MemoryObjects::new(chaos.clone());
    assert_eq!(points(objects.put("a", Bytes::new(), Mime::Png)), 2);
    assert_eq!(points(objects.get("a")), 2);
    assert_eq!(points(objects.peek("a", 9)), 2);
    assert_eq!(points(objects.list("a")), 2);
    let settings = MemorySettings::new(Settings::default());
    assert_eq!(points(settings.settings()), 2);
    let secrets = MemorySecrets::new(chaos, [(SecretName::ApiKey, Secret::new("a"))]);
    assert_eq!(points(secrets.secret(SecretName::ApiKey, false)), 2);
}

#[tokio::test]
async fn the_effect_lies_between_them() {
    let database = MemoryDatabase::new(chaos());
    drop_at(database.insert(online_render(1), unlimited()), 1);
    assert_eq!(database.renders().len(), 0);
    drop_at(database.insert(online_render(1), unlimited()), 2);
    assert_eq!(database.renders().len(), 1);

    let queues = queues(&chaos());
    let bus = MemoryBus::new(clock(), chaos(), queues.clone(), Rule::of_the_house());
    let (source, detail_type) = ("gemini.batch", "gemini.batch.failed");
    let detail = r#"{"shard": 0}"#.to_owned();
    let event = Announcement { source, detail_type, detail };
    for (point, depth) in [(1, 0), (2, 1)] {
        drop_at(queues.send(QueueName::Replicate, vec![Outgoing::now("a".to_owned())]), point);
        drop_at(bus.publish(vec![event.clone()]), point);
        assert_eq!(queues.depth(QueueName::Replicate).visible, depth);
        assert_eq!(queues.depth(QueueName::GeminiBatch).visible, depth);
    }
}

/// Not a benchmark: a guard against a call that suddenly costs a hundred times as much.
#[test]
fn a_calm_call_is_cheap() {
    let attempts = MemoryAttempts::new(chaos());
    let open = attempt(1, &[]).open(Micros::ZERO, start(), start());
    run(async {
        attempts.write(&open).await.unwrap();
        let began = tokio::time::Instant::now();
        for _ in 0..10_000 {
            attempts.balance(Account::Google, start().date_naive()).await.unwrap();
        }
        let each = began.elapsed() / 10_000;
        println!("{each:?} a call");
        assert!(each.as_micros() < 100, "{each:?}");
    });
}
