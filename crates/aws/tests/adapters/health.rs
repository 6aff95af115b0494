use std::sync::Arc;

use tryon_aws::{Clients, DynamoHealth};
use tryon_core::contract;

use crate::tables;

#[tokio::test]
#[ignore = "needs the emulated AWS: tests/with-services"]
async fn health() {
    let clients = Clients::from_env().await;
    let table = "provider_health".to_owned();
    tables::create_plain(&clients, &table, "backend").await;
    contract::health::suite(&DynamoHealth::new(Arc::new(clients), table)).await;
}
