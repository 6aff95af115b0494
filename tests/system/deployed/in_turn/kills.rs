//! Functions end in mid-run, as Lambda ends them when time is up.

use std::time::Duration;

use serde_json::json;
use tryon_core::{
    chain::{Fidelity, Step},
    ids::RenderId,
    ports::Clock,
};
use tryon_lambda::system::SystemClock;
use tryon_sandbox::{CallKind, Nth, Rule, When};

use crate::deployed::{processes::kill_functions, report::picture, stack::Stack};

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn functions_that_are_killed_leave_nothing_undone() {
    let stack = Stack::alone(&[]).await;
    let shopper = stack.shopper().await;
    let mut ids: Vec<RenderId> = Vec::new();
    for n in 0..6 {
        let lane = if n % 2 == 0 { "online" } else { "batch" };
        ids.push(stack.render_for(&shopper, &format!("k{n}"), "", &json!({"lane": lane})).await);
        // In the middle of whatever they do.
        SystemClock.sleep(Duration::from_millis(400)).await;
        kill_functions();
    }
    for id in &ids {
        let render = stack.ended(id).await;
        assert!(picture(&render).is_some(), "{render:#?}");
    }
    stack.check_books().await;
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn a_fetch_that_is_killed_is_made_again() {
    let stack = Stack::alone(&[]).await;
    let downloads = |stack: &Stack| stack.sandbox.calls().get(&CallKind::Download).copied();
    let before = downloads(&stack);
    let slow =
        Rule::delay(When::kind(CallKind::Download).nth(Nth::First(1)), Duration::from_secs(5));
    stack.sandbox.faults().push(slow);
    let ids = stack.many(3, &json!({"lane": "batch"})).await;
    while downloads(&stack) == before {
        SystemClock.sleep(Duration::from_millis(100)).await;
    }
    kill_functions();
    for id in &ids {
        let render = stack.pictured(id, (Step::Gemini, Fidelity::Exact)).await;
        assert_eq!(stack.charges(&render).len(), 1, "bought once");
    }
    assert!(downloads(&stack) > before.map(|n| n + 1).or(Some(1)), "it was not killed");
    stack.check_books().await;
}
