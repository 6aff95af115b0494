//! The next release comes while renders are under way.

use std::{process::Command, time::Duration};

use serde_json::json;
use sqlx::{Connection, PgConnection};
use tryon_core::{
    chain::{Fidelity, Step},
    ports::Clock,
};
use tryon_lambda::system::SystemClock;

use crate::deployed::stack::{Stack, given};

/// Whether the migration of the next release has run.
async fn is_expanded() -> bool {
    let url = given("TRYON_TEST_POSTGRES_URL");
    let mut database = PgConnection::connect(&url).await.unwrap();
    let columns = "SELECT count(*) FROM information_schema.columns \
        WHERE table_name = 'renders' AND column_name = 'of_the_next_release'";
    let found: i64 = sqlx::query_scalar(columns).fetch_one(&mut database).await.unwrap();
    found == 1
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn a_release_with_a_migration_loses_nothing_and_resets_no_knob() {
    let stack = Stack::alone(&[]).await;
    let knob = ("replicate-daily-budget-usd", "1499");
    stack.put_knob(knob.0, knob.1).await;
    assert!(!is_expanded().await);
    let mut ids = stack.many(4, &json!({"lane": "batch"})).await;
    let deploy = || Command::new(given("TRYON_TEST_REDEPLOY")).arg("next").status();
    let deploy = tokio::task::spawn_blocking(deploy);
    while !deploy.is_finished() {
        let lane = if ids.len() % 2 == 0 { "online" } else { "batch" };
        ids.push(stack.render("", &json!({"lane": lane})).await);
        SystemClock.sleep(Duration::from_millis(500)).await;
    }
    assert!(deploy.await.unwrap().unwrap().success(), "the next release is not deployed");
    assert!(is_expanded().await);
    assert_eq!(stack.knobs().await[knob.0], knob.1);
    assert!(ids.len() > 6, "hardly anything was asked for meanwhile");
    ids.push(stack.render("", &json!({"lane": "online"})).await);
    for id in &ids {
        stack.pictured(id, (Step::Gemini, Fidelity::Exact)).await;
    }
}
