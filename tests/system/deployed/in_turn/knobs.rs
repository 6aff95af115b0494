use serde_json::json;
use tryon_core::{
    chain::{Fidelity, Step},
    routing::Route,
};

use crate::deployed::stack::Stack;

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn the_percentage_takes_effect_without_a_redeploy() {
    let stack = Stack::alone(&[("traffic-percent", "0")]).await;
    let online = json!({"lane": "online"});
    let shopper = stack.shopper_of(Route::Gemini).await;
    let id = stack.render_for(&shopper, "key", "", &online).await;
    let legacy = stack.pictured(&id, (Step::NanoBanana, Fidelity::Exact)).await;
    assert_eq!((legacy.assigned, legacy.served), (Route::Legacy, Route::Legacy));
    stack.turn([("traffic-percent", "100")]).await;
    let shopper = stack.shopper_of(Route::Legacy).await;
    let id = stack.render_for(&shopper, "key", "", &online).await;
    let gemini = stack.pictured(&id, (Step::Gemini, Fidelity::Exact)).await;
    assert_eq!((gemini.assigned, gemini.served), (Route::Gemini, Route::Gemini));
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn a_spent_budget_does_as_ops_wish() {
    let stack = Stack::alone(&[("daily-budget-usd", "0.0001")]).await;
    let online = json!({"lane": "online"});
    let id = stack.render("", &online).await;
    stack.pictured(&id, (Step::PhotoMaker, Fidelity::Described)).await;
    stack.turn([("when-budget-exhausted", "reject")]).await;
    let shopper = stack.shopper().await;
    let (status, problem) = stack.accept(&shopper, "key", "", &online).await;
    assert_eq!(status, 429, "{problem}");
}
