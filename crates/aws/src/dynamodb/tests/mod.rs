mod health;
mod rows;
mod writes;

use std::sync::Arc;

use serde_json::Value;
use tryon_core::{
    contract::fixtures::start,
    memory::{SeededRandom, TokioClock},
};

use super::{DynamoAttempts, Tables};
use crate::testing::played::{Request, Requests, played};

fn books(
    answer: impl Fn(&Request) -> (u16, Value) + Send + Sync + 'static,
) -> (DynamoAttempts, Requests) {
    let (clients, requests) = played(answer);
    let tables = Tables { attempts: "attempts".to_owned(), budget: "budget".to_owned() };
    let clock = Arc::new(TokioClock::starting_at(start()));
    (DynamoAttempts::new(clients, tables, clock, Arc::new(SeededRandom::new(1))), requests)
}
