//! The same calls to memory and to Postgres, by several clients: the same answers, the same rows.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tryon_core::{
    contract::{
        batches::Store,
        batches_model::{follow, ops},
    },
    memory::{Chaos, MemoryDatabase, SeededRandom},
};

use crate::support::Home;

#[test]
#[ignore = "needs Postgres: tests/with-services"]
fn postgres_answers_as_memory_does() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let home = runtime.block_on(Home::new("model"));
    let clients = runtime.block_on(async { home.turns(3) });
    let mut runner = TestRunner::new(Config { cases: 40, ..Config::default() });
    let result = runner.run(&ops(), |ops| {
        runtime.block_on(async {
            home.run("TRUNCATE renders, ratings, gemini_batch_jobs").await;
            let memory = MemoryDatabase::new(Chaos::seeded(7).into());
            let random = SeededRandom::new(5);
            let store = Store { renders: &memory, batches: &memory, random: &random };
            let expected = follow(store, &ops).await?;
            let random = SeededRandom::new(5);
            let store = Store { renders: &clients, batches: &clients, random: &random };
            prop_assert_eq!(follow(store, &ops).await?, expected);
            Ok(())
        })
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
