//! What changes the stack for everybody: knobs turned by ops, functions killed, the database away. Each
//! leaves the stack as it was.

use std::{fs, process::Command, time::Duration};

use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};
use tryon_core::{
    chain::{Fidelity, Step},
    ids::RenderId,
    lane::Lane,
    ports::Clock,
    render::{Render, RenderStatus},
    routing::Route,
};
use tryon_lambda::system::SystemClock;

use super::stack::{Stack, given};

/// One after the other.
async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

fn picture(render: &Render) -> Option<(Step, Fidelity)> {
    match render.status {
        RenderStatus::Succeeded { fidelity, .. } => Some((render.step, fidelity)),
        _ => None,
    }
}

/// Kills every function that the emulator runs now, as Lambda does when time is up.
fn kill_functions() {
    let parent = format!("PPid:\t{}\n", given("TRYON_TEST_AWS_PID"));
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let status = fs::read_to_string(process.path().join("status")).unwrap_or_default();
        if status.starts_with("Name:\tbootstrap\n") && status.contains(&parent) {
            let kill = format!("kill -KILL {}", process.file_name().display());
            Command::new("sh").arg("-c").arg(kill).status().unwrap();
        }
    }
}

impl Stack {
    /// Turns a knob, and waits until every function has seen it.
    async fn turn(&self, knob: &str, text: &str) {
        let name = format!("/garmaxai/gemini/local/{knob}");
        let put = self.clients.ssm().put_parameter().name(name).value(text).overwrite(true);
        put.send().await.unwrap();
        SystemClock.sleep(Duration::from_secs(16)).await;
    }
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn knobs_take_effect_without_a_redeploy() {
    let _turn = alone().await;
    let stack = Stack::find().await;
    stack.turn("traffic-percent", "0").await;
    let legacy = stack.ended(&stack.render("", &json!({"lane": "online"})).await).await;
    assert_eq!((legacy.assigned, legacy.served), (Route::Legacy, Route::Legacy));
    assert_eq!(picture(&legacy), Some((Step::NanoBanana, Fidelity::Exact)), "{legacy:#?}");
    stack.turn("traffic-percent", "100").await;
    let gemini = stack.ended(&stack.render("", &json!({"lane": "online"})).await).await;
    assert_eq!((gemini.served, gemini.lane), (Route::Gemini, Lane::Online));
    assert_eq!(picture(&gemini), Some((Step::Gemini, Fidelity::Exact)), "{gemini:#?}");
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn a_spent_budget_does_as_ops_wish() {
    let _turn = alone().await;
    let stack = Stack::find().await;
    stack.turn("daily-budget-usd", "0.0001").await;
    let fallen = stack.ended(&stack.render("", &json!({"lane": "online"})).await).await;
    assert_eq!(picture(&fallen), Some((Step::PhotoMaker, Fidelity::Described)), "{fallen:#?}");
    stack.turn("when-budget-exhausted", "reject").await;
    let shopper = stack.shopper().await;
    let (status, problem) = stack.accept(&shopper, "key", "", &json!({"lane": "online"})).await;
    assert_eq!(status, 429, "{problem}");
    stack.turn("when-budget-exhausted", "fallback").await;
    stack.turn("daily-budget-usd", "200").await;
    let funded = stack.ended(&stack.render("", &json!({"lane": "online"})).await).await;
    assert_eq!(picture(&funded), Some((Step::Gemini, Fidelity::Exact)), "{funded:#?}");
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn functions_that_are_killed_leave_nothing_undone() {
    let _turn = alone().await;
    let stack = Stack::find().await;
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
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn results_wait_for_a_database_that_is_away() {
    let _turn = alone().await;
    let stack = Stack::find().await;
    let control = given("TRYON_TEST_POSTGRES_CTL");
    let id = stack.render("", &json!({"lane": "online"})).await;
    Command::new(&control).arg("kill").status().unwrap();
    SystemClock.sleep(Duration::from_secs(10)).await;
    Command::new(&control).arg("start").status().unwrap();
    let render = stack.ended(&id).await;
    assert_eq!(picture(&render), Some((Step::Gemini, Fidelity::Exact)), "{render:#?}");
    assert_eq!(render.costs.len(), 1, "bought once");
}
