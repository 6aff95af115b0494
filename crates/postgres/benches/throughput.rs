//! Rows a second on one Postgres, eight clients at once: `tests/with-services cargo bench -p
//! tryon-postgres`. Plain inserts of one row each are the yardstick.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints, and fails by panicking"
)]

#[path = "../tests/adapters/support.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod support;

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use sqlx::types::Json;
use support::Home;
use tokio::time::Instant;
use tryon_core::{
    batch::BatchPolicy,
    contract::fixtures::{batch_key, order, render, start, unlimited},
    memory::SeededRandom,
    ports::{Batches, Inserted, Renders},
};
use tryon_postgres::Database;

const CLIENTS: u64 = 8;
const TEN: u64 = 10;
const MEASURED: Duration = Duration::from_secs(5);

/// Numbers of renders, each handed out once.
#[derive(Clone, Debug, Default)]
struct Supply(Arc<AtomicU64>);

impl Supply {
    fn take(&self, count: u64) -> Range<u64> {
        let first = self.0.fetch_add(count, Ordering::Relaxed);
        first..first + count
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let home = Home::new("throughput").await;
    home.run("CREATE TABLE plain (id text PRIMARY KEY, user_id text, request jsonb)").await;
    home.run("CREATE TABLE plain_renders (LIKE renders INCLUDING ALL)").await;
    let plain = plain_inserts(&home).await;
    let supply = Supply::default();
    let accepted = accepts(&home, &supply).await;
    home.run("ANALYZE").await;
    let whole = whole_inserts(&home).await;
    let appended = appends(&home, supply.take(0).start).await;
    println!("{CLIENTS} clients, rows a second:");
    for (what, rate) in [
        ("single-row inserts, three columns", plain),
        ("single-row inserts of whole renders", whole),
        ("renders accepted", accepted),
        ("renders appended in tens to one key", appended),
    ] {
        println!("{what:<38}{rate:>8.0}");
    }
}

/// Runs `work` for each client at once until the time is over or it has no more; rows a second.
async fn measure<F>(home: &Home, work: impl Fn(Client) -> F) -> f64
where
    F: Future<Output = u64> + Send + 'static,
{
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|seed| {
        tokio::spawn(work(Client {
            seed,
            database: home.client(),
            home: home.clone(),
            until: began + MEASURED,
        }))
    });
    let rows = join_all(clients).await.into_iter().map(Result::unwrap).sum::<u64>();
    rows as f64 / began.elapsed().as_secs_f64()
}

#[derive(Debug)]
struct Client {
    seed: u64,
    database: Database,
    home: Home,
    until: Instant,
}

async fn plain_inserts(home: &Home) -> f64 {
    let supply = Supply::default();
    measure(home, |client| single(client, supply.clone(), PLAIN)).await
}

async fn whole_inserts(home: &Home) -> f64 {
    let supply = Supply::default();
    measure(home, |client| single(client, supply.clone(), WHOLE)).await
}

const PLAIN: &str = "INSERT INTO plain VALUES ($1, $2, $3)";
const WHOLE: &str = "INSERT INTO plain_renders SELECT p.*
    FROM (SELECT r FROM renders r LIMIT 1) sample,
        jsonb_populate_record(sample.r, jsonb_build_object(
            'id', $1::text, 'user_id', $2::text, 'request', $3::jsonb)) p";

async fn single(client: Client, supply: Supply, sql: &'static str) -> u64 {
    let mut session = client.home.session().await;
    let mut rows = 0;
    while Instant::now() < client.until {
        for n in supply.take(1) {
            let row = render(n);
            let insert = sqlx::query(sql).bind(row.id.as_str()).bind(row.user_id.as_str());
            insert.bind(Json(&row.request)).execute(&mut session).await.unwrap();
            rows += 1;
        }
    }
    rows
}

async fn accepts(home: &Home, supply: &Supply) -> f64 {
    measure(home, |client| {
        let supply = supply.clone();
        async move {
            let mut rows = 0;
            while Instant::now() < client.until {
                for n in supply.take(1) {
                    let met = client.database.insert(render(n), unlimited()).await;
                    assert_eq!(met, Ok(Inserted::New));
                    rows += 1;
                }
            }
            rows
        }
    })
    .await
}

async fn appends(home: &Home, accepted: u64) -> f64 {
    let supply = Supply::default();
    let rate = measure(home, |client| {
        let supply = supply.clone();
        async move {
            let (policy, random) = (BatchPolicy::default(), SeededRandom::new(client.seed));
            let mut rows = 0;
            while Instant::now() < client.until {
                let numbers = supply.take(TEN);
                if numbers.end > accepted {
                    break;
                }
                let orders = numbers.map(|n| order(&render(n))).collect();
                let key = batch_key();
                client.database.append(&key, orders, start(), &policy, &random).await.unwrap();
                rows += TEN;
            }
            rows
        }
    })
    .await;
    let (most, gathered, joined): (i32, i64, i64) = sqlx::query_as(
        "SELECT (SELECT max(image_count) FROM gemini_batch_jobs),
            (SELECT sum(image_count) FROM gemini_batch_jobs),
            (SELECT count(*) FROM renders WHERE NOT to_join AND cardinality(open_attempts) = 1)",
    )
    .fetch_one(&mut home.session().await)
    .await
    .unwrap();
    let sent = supply.take(0).start.min(accepted) / TEN * TEN;
    assert!(most <= 50, "a batch of {most}");
    assert!(gathered == joined && gathered.unsigned_abs() <= sent, "{gathered} of {sent}");
    rate
}
