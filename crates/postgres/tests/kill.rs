//! The server dies in the middle of things, and comes back.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "adapters/support.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod support;

use std::{collections::BTreeSet, process::Command, time::Duration};

use chrono::TimeDelta;
use futures_util::future::join_all;
use sqlx::{Connection, Executor, PgConnection};
use support::{Home, clock, server_url, variable};
use tryon_core::{
    batch::BatchPolicy,
    contract::fixtures::{batch_key, order, render, render_id, start, unlimited},
    memory::SeededRandom,
    ports::{Batches, Inserted, PortError, Renders},
};
use tryon_postgres::{CALL_TIMEOUT, Database};

fn server(verb: &str) {
    let done = Command::new(variable("TRYON_TEST_POSTGRES_CTL")).arg(verb).status().unwrap();
    assert!(done.success(), "{verb}");
}

/// Waits until so many sessions of the database wait for a lock.
async fn waiting(name: &str, sessions: i64) {
    let mut watcher = PgConnection::connect(&server_url()).await.unwrap();
    let count = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = $1 AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(count).bind(name).fetch_one(&mut watcher).await.unwrap()
        < sessions
    {
        clock().sleep(Duration::from_millis(20)).await;
    }
}

async fn append(client: &Database, numbers: std::ops::Range<u64>) -> Result<usize, PortError> {
    let orders = numbers.clone().map(|n| order(&render(n))).collect();
    let (policy, random) = (BatchPolicy::default(), SeededRandom::new(numbers.start));
    Ok(client.append(&batch_key(), orders, start(), &policy, &random).await?.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: tests/with-services"]
async fn a_power_cut_in_mid_transaction_loses_nothing() {
    let home = Home::new("power_cut").await;
    let client = home.client();
    for n in 0..80 {
        assert_eq!(client.insert(render(n), unlimited()).await, Ok(Inserted::New));
    }
    append(&client, 0..10).await.unwrap();
    // Seven clients in the middle of their transactions: one waits for its rows, the others for it.
    let mut keeper = home.session().await;
    let mut kept = keeper.begin().await.unwrap();
    kept.execute("SELECT FROM renders FOR UPDATE").await.unwrap();
    let clients: Vec<_> = (0..7).map(|_| home.client()).collect();
    let appends = clients.iter().zip(1..).map(|(client, i)| {
        let client = client.clone();
        tokio::spawn(async move { append(&client, i * 10..i * 10 + 10).await })
    });
    let appends: Vec<_> = appends.collect();
    waiting("test_power_cut", 7).await;
    let clock = clock();
    let began = clock.now();
    server("kill");
    for cut in join_all(appends).await {
        let cut = cut.unwrap();
        assert!(matches!(cut, Err(PortError::Unavailable(_))), "{cut:?}");
    }
    assert!(clock.now() - began < TimeDelta::from_std(CALL_TIMEOUT).unwrap());
    let away = append(&client, 10..20).await;
    assert!(matches!(away, Err(PortError::Unavailable(_))), "{away:?}");
    server("start");

    // What was done is there; what was not done left no trace; the same clients go on.
    let ids: Vec<_> = (0..80).map(render_id).collect();
    let rows = Renders::get(&client, &ids).await.unwrap();
    assert_eq!(rows.iter().filter(|row| row.to_join).count(), 70);
    assert_eq!(rows.iter().filter(|row| row.version == 1).count(), 70);
    let again = clients.iter().zip(1..).map(|(client, i)| append(client, i * 10..i * 10 + 10));
    for appended in join_all(again).await {
        assert!(appended.unwrap() >= 1);
    }
    let batches = Batches::due(&client, start() + TimeDelta::days(1), 99).await.unwrap();
    let mut sizes: Vec<_> = batches.iter().map(|batch| batch.orders.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [30, 50]);
    let members: BTreeSet<_> =
        batches.iter().flat_map(|batch| &batch.orders).map(|order| &order.render_id).collect();
    assert_eq!(members.len(), 80);
}
