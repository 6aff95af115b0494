use futures_util::future::join_all;
use sqlx::PgConnection;
use tryon_core::{
    contract::fixtures::{render, unlimited},
    ports::{Inserted, PortError, Renders},
};
use tryon_postgres::Database;

use crate::support::Home;

async fn applied(session: &mut PgConnection) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(session).await.unwrap()
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn migrating_again_or_at_once_is_harmless() {
    let home = Home::bare("migrated").await;
    let clients: Vec<_> = (0..5).map(|_| home.client()).collect();
    for migrated in join_all(clients.iter().map(Database::migrate)).await {
        assert_eq!(migrated, Ok(()));
    }
    let known = i64::try_from(tryon_postgres::migrator().iter().count()).unwrap();
    assert_eq!(applied(&mut home.session().await).await, known);
    assert_eq!(clients[0].insert(render(1), unlimited()).await, Ok(Inserted::New));
    assert_eq!(clients[1].migrate().await, Ok(()));
    let found = clients[1].by_key(&render(1).user_id, "key-1").await;
    assert!(matches!(found, Ok(Some(_))), "what was there stays");
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn an_older_binary_works_on_a_newer_schema() {
    let home = Home::new("newer").await;
    home.run(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (9999, 'newer', true, '', 0)",
    )
    .await;
    home.run("ALTER TABLE renders ADD COLUMN mood text NOT NULL DEFAULT 'good'").await;
    home.run("ALTER TABLE gemini_batch_jobs ADD COLUMN mood text NOT NULL DEFAULT 'good'").await;
    let client = home.client();
    assert_eq!(client.migrate().await, Ok(()));
    assert_eq!(client.insert(render(1), unlimited()).await, Ok(Inserted::New));
    let row = client.by_key(&render(1).user_id, "key-1").await.unwrap().unwrap();
    assert_eq!(Renders::update(&client, &[row]).await, Ok(vec![true]));
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn a_migration_that_was_changed_is_told_of() {
    let home = Home::new("changed").await;
    home.run("UPDATE _sqlx_migrations SET checksum = 'other'").await;
    let text = "migration 1 was changed after it was applied".to_owned();
    assert_eq!(home.client().migrate().await, Err(PortError::Broken(text)));
}
