//! Calls end, whoever stands in the way.

use std::time::Duration;

use chrono::TimeDelta;
use sqlx::{Connection, Executor};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tryon_core::{
    batch::BatchPolicy,
    contract::fixtures::{batch_key, order, render, start, unlimited},
    memory::SeededRandom,
    ports::{Batches, Inserted, PortError, Renders},
};
use tryon_postgres::{
    ACQUIRE_TIMEOUT, CALL_TIMEOUT, Database, DatabaseConfig, LOCK_TIMEOUT, STATEMENT_TIMEOUT,
    TlsMode,
};

use crate::support::{Home, clock};

/// That `call` is given up after `limit`, and how.
async fn given_up<T: std::fmt::Debug>(
    limit: Duration,
    call: impl Future<Output = Result<T, PortError>>,
) -> String {
    let clock = clock();
    let began = clock.now();
    let Err(PortError::Unavailable(text)) = call.await else { panic!("it was not given up") };
    let took = clock.now() - began;
    let limit = TimeDelta::from_std(limit).unwrap();
    assert!(took < limit + TimeDelta::seconds(2), "{took}");
    assert!(took > limit - TimeDelta::milliseconds(100), "{took}");
    text
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn a_row_that_somebody_keeps_is_given_up() {
    let home = Home::new("kept").await;
    let client = home.client();
    assert_eq!(client.insert(render(1), unlimited()).await, Ok(Inserted::New));
    let row = client.by_key(&render(1).user_id, "key-1").await.unwrap().unwrap();
    let mut keeper = home.session().await;
    let mut kept = keeper.begin().await.unwrap();
    kept.execute("UPDATE renders SET version = version").await.unwrap();
    let text = given_up(LOCK_TIMEOUT, Renders::update(&client, std::slice::from_ref(&row))).await;
    assert_eq!(text, "database refused: 55P03");
    let (policy, random) = (BatchPolicy::default(), SeededRandom::new(1));
    let append = async || {
        let orders = vec![order(&render(1))];
        client.append(&batch_key(), orders, start(), &policy, &random).await
    };
    assert_eq!(given_up(LOCK_TIMEOUT, append()).await, "database refused: 55P03");
    kept.rollback().await.unwrap();
    assert_eq!(append().await.unwrap().len(), 1);
    assert_eq!(Renders::update(&client, &[row]).await, Ok(vec![false]));
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn a_statement_that_takes_too_long_is_given_up() {
    let home = Home::new("slow").await;
    home.run(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$",
    )
    .await;
    home.run("CREATE TRIGGER slow BEFORE INSERT ON renders EXECUTE FUNCTION slow()").await;
    let client = home.client();
    let text = given_up(STATEMENT_TIMEOUT, client.insert(render(1), unlimited())).await;
    assert_eq!(text, "database refused: 57014");
    home.run("DROP TRIGGER slow ON renders").await;
    assert_eq!(client.insert(render(1), unlimited()).await, Ok(Inserted::New));
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn a_call_that_is_dropped_leaves_no_transaction_behind() {
    let home = Home::new("dropped").await;
    let client = home.client();
    assert_eq!(client.insert(render(1), unlimited()).await, Ok(Inserted::New));
    let (policy, random) = (BatchPolicy::default(), SeededRandom::new(1));
    let append = async || {
        let orders = vec![order(&render(1))];
        client.append(&batch_key(), orders, start(), &policy, &random).await
    };
    let mut keeper = home.session().await;
    let mut kept = keeper.begin().await.unwrap();
    kept.execute("LOCK TABLE renders").await.unwrap();
    assert!(timeout(Duration::from_millis(200), append()).await.is_err(), "it waits for the row");
    kept.rollback().await.unwrap();
    for n in 2..5 {
        assert_eq!(client.insert(render(n), unlimited()).await, Ok(Inserted::New));
        let key = format!("key-{n}");
        let seen = home.client().by_key(&render(n).user_id, &key).await.unwrap();
        assert!(seen.is_some(), "the next call is written for everybody to see");
    }
    assert_eq!(append().await.unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_there_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    // One takes connections and says nothing; nobody listens at the other.
    for port in [port, 1] {
        let url = format!("postgres://u:hunter2@127.0.0.1:{port}/x");
        let client = Database::new(DatabaseConfig::new(&url, TlsMode::Off).unwrap());
        let text = given_up(ACQUIRE_TIMEOUT, Batches::open(&client)).await;
        assert_eq!(text, "database connection timed out");
        let migrated = timeout(ACQUIRE_TIMEOUT * 2, client.migrate()).await.unwrap();
        assert!(matches!(migrated, Err(PortError::Unavailable(_))), "{migrated:?}");
    }
}

/// A way to the server whose connections stand still, unclosed, once they are told to; those that are
/// made later do not. Its port.
async fn way_to(server: String) -> (u16, watch::Sender<u32>) {
    let entrance = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = entrance.local_addr().unwrap().port();
    let (still, told) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            let (mut near, _) = entrance.accept().await.unwrap();
            let mut far = TcpStream::connect(&server).await.unwrap();
            let mut told = told.clone();
            told.mark_unchanged();
            tokio::spawn(async move {
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = told.changed() => std::future::pending().await,
                }
            });
        }
    });
    (port, still)
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn a_connection_that_died_in_silence_costs_one_call_at_most() {
    let home = Home::new("silence").await;
    let (server, name) = home.url.rsplit_once('@').unwrap().1.split_once('/').unwrap();
    let (port, still) = way_to(server.to_owned()).await;
    let url = format!("postgres://postgres@127.0.0.1:{port}/{name}");
    let client = Database::new(DatabaseConfig::new(&url, TlsMode::Off).unwrap());
    // While the function was frozen: that costs none.
    assert_eq!(client.open().await, Ok(0));
    clock().sleep(Duration::from_millis(1_200)).await;
    still.send_modify(|times| *times += 1);
    let began = clock().now();
    assert_eq!(client.open().await, Ok(0));
    assert!(clock().now() - began < TimeDelta::seconds(2));
    // Right behind a call: no sooner known than by an answer that does not come.
    still.send_modify(|times| *times += 1);
    let text = given_up(CALL_TIMEOUT, client.open()).await;
    assert_eq!(text, "database did not answer in time");
    assert_eq!(client.open().await, Ok(0));
}
