use tryon_core::{
    contract::{self, batches::Store},
    memory::SeededRandom,
};

use crate::support::Home;

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn renders() {
    contract::renders::suite(&Home::new("renders").await.client()).await;
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn renders_of_eight_clients() {
    contract::renders::suite(&Home::new("renders_of_eight").await.turns(8)).await;
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn ratings() {
    let clients = Home::new("ratings").await.turns(5);
    contract::ops::ratings(&clients, &clients).await;
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn observations() {
    let database = Home::new("observations").await.client();
    contract::observations::suite(&database, &database, &database).await;
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn audit() {
    contract::ops::audit(&Home::new("audit").await.turns(5)).await;
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn batches() {
    let database = Home::new("batches").await.client();
    let random = SeededRandom::new(1);
    contract::batches::suite(Store { renders: &database, batches: &database, random: &random })
        .await;
}

#[tokio::test]
#[ignore = "needs Postgres: tests/with-services"]
async fn batches_of_eight_clients() {
    let clients = Home::new("batches_of_eight").await.turns(8);
    let random = SeededRandom::new(1);
    contract::batches::suite(Store { renders: &clients, batches: &clients, random: &random }).await;
}
