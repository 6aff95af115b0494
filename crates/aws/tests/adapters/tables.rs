//! Tables of a test's own.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement,
    KeyType::{self, Hash, Range},
    Projection, ProjectionType,
    ScalarAttributeType::{self, N, S},
};
use tryon_aws::{Clients, DynamoAttempts, Tables};
use tryon_core::memory::{SeededRandom, TokioClock};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A number that nobody else gets from the same emulator.
fn unique() -> (u32, u32) {
    (process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Makes empty tables under names that no other test has.
pub(crate) async fn create(clients: &Clients) -> Tables {
    let (process, n) = unique();
    let test = format!("{process}_{n}");
    let tables = Tables {
        attempts: format!("provider_attempts_{test}"),
        budget: format!("gemini_budget_tracking_{test}"),
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name("due")
        .key_schema(key("due_shard", Hash))
        .key_schema(key("due_at", Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
    let attempts = clients.dynamodb().create_table().table_name(&tables.attempts);
    attempts
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key("attempt_id", Hash))
        .attribute_definitions(attribute("attempt_id", S))
        .attribute_definitions(attribute("due_shard", N))
        .attribute_definitions(attribute("due_at", N))
        .global_secondary_indexes(index.build().unwrap())
        .send()
        .await
        .unwrap();
    create_plain(clients, &tables.budget, "date").await;
    tables
}

/// Makes an empty table without an index.
pub(crate) async fn create_plain(clients: &Clients, name: &str, partition: &str) {
    let table = clients.dynamodb().create_table().table_name(name);
    table
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key(partition, Hash))
        .attribute_definitions(attribute(partition, S))
        .send()
        .await
        .unwrap();
}

/// The adapter on real time, with chance of its own: a write is known by its number.
pub(crate) fn adapter(clients: Clients, tables: &Tables) -> DynamoAttempts {
    let (process, n) = unique();
    let random = Arc::new(SeededRandom::new(u64::from(process) << 32 | u64::from(n)));
    let clock = Arc::new(TokioClock::real());
    DynamoAttempts::new(Arc::new(clients), tables.clone(), clock, random)
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}
