use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures_util::future::join_all;
use tryon_core::{
    batch::{BatchPolicy, BatchStatus},
    contract::fixtures::{batch_key, order, render, start, unlimited},
    memory::SeededRandom,
    messages::RenderOrder,
    ports::{Batches, HourlyLimit, Inserted, Random, Renders},
    render::Render,
};
use tryon_postgres::Database;

use crate::support::Home;

const CLIENTS: u64 = 8;
const RENDERS: u64 = 400;

/// Appends random slices of all renders until each was sent at least once.
async fn gather(client: Database, orders: Vec<RenderOrder>, seed: u64) {
    let random = SeededRandom::new(seed);
    for slice in orders.chunks(10) {
        let other = usize::try_from(random.next_u64() % (RENDERS - 9)).unwrap();
        let mut sent = [slice, &orders[other..other + 9]].concat();
        if random.next_u64().is_multiple_of(2) {
            sent.reverse();
        }
        let policy = BatchPolicy::default();
        client.append(&batch_key(), sent, start(), &policy, &random).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: tests/with-services"]
async fn one_hot_key_loses_doubles_and_overfills_nothing() {
    let home = Home::new("hot_key").await;
    let client = home.client();
    let mut orders = Vec::new();
    for n in 0..RENDERS {
        orders.push(order(&render(n)));
        assert_eq!(client.insert(render(n), unlimited()).await, Ok(Inserted::New));
    }
    let gatherers = (0..CLIENTS).map(|i| {
        // Each begins somewhere else.
        let mut orders = orders.clone();
        orders.rotate_left(usize::try_from(i * RENDERS / CLIENTS).unwrap());
        tokio::spawn(gather(home.client(), orders, i))
    });
    for gathered in join_all(gatherers).await {
        gathered.unwrap();
    }
    let batches = Batches::due(&client, start() + TimeDelta::days(1), 1_000).await.unwrap();
    assert_eq!(batches.len(), 8, "all of them full");
    let mut members = BTreeSet::new();
    for batch in &batches {
        assert_eq!(batch.orders.len(), 50);
        assert_eq!(batch.status, BatchStatus::Sealed);
        for order in &batch.orders {
            assert!(members.insert(order.render_id.clone()), "twice");
            let id = std::slice::from_ref(&order.render_id);
            let row = Renders::get(&client, id).await.unwrap().remove(0);
            assert_eq!(row.open_attempts, [batch.attempt()].into());
        }
    }
    assert_eq!(members.len() as u64, RENDERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: tests/with-services"]
async fn the_hourly_limit_holds_for_clients_apart() {
    let home = Home::new("limit").await;
    let limit = HourlyLimit { most: 3, ..unlimited() };
    let inserts = (0..40).map(|n| {
        let client = home.client();
        let row = Render { user_id: "racer".into(), ..render(n) };
        tokio::spawn(async move { client.insert(row, limit).await.unwrap() })
    });
    let met = join_all(inserts).await;
    let new = met.into_iter().filter(|met| *met.as_ref().unwrap() == Inserted::New).count();
    assert_eq!(new, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: tests/with-services"]
async fn updates_and_appends_that_cross_wait_for_each_other_in_one_order() {
    let home = Home::new("cross").await;
    let client = home.client();
    for n in 0..40 {
        assert_eq!(client.insert(render(n), unlimited()).await, Ok(Inserted::New));
    }
    let ids: Vec<_> = (0..40).map(|n| render(n).id).collect();
    let writers = (0..CLIENTS).map(|i| {
        let (client, mut ids) = (home.client(), ids.clone());
        tokio::spawn(async move {
            if i % 2 == 0 {
                ids.reverse();
            }
            for _ in 0..20 {
                let rows = Renders::get(&client, &ids).await.unwrap();
                let rows = if i % 2 == 0 { rows.into_iter().rev().collect() } else { rows };
                Renders::update(&client, &rows).await.unwrap();
            }
        })
    });
    let gatherer = tokio::spawn({
        let client = home.client();
        let orders: Vec<_> = (0..40).rev().map(|n| order(&render(n))).collect();
        async move {
            let (policy, random) = (BatchPolicy::default(), SeededRandom::new(1));
            client.append(&batch_key(), orders, start(), &policy, &random).await.unwrap()
        }
    });
    for written in join_all(writers).await {
        written.unwrap();
    }
    assert_eq!(gatherer.await.unwrap()[0].orders.len(), 40);
}
