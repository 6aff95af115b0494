use serde_json::json;
use tryon_core::{
    chain::{Fidelity, Step},
    routing::Route,
};
use tryon_sandbox::{CallKind, Fault, Rule, When};

use crate::deployed::stack::Stack;

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn what_is_delivered_twice_is_done_once() {
    let stack = Stack::alone(&[]).await;
    let mut ear = stack.listen("twice").await;
    let prompt = "twice with google down";
    let down = Rule::new(When::kind(CallKind::Online).prompt(prompt), Fault::status(500));
    stack.sandbox.faults().push(down);
    let before = stack.sent().await;
    stack.deliver_twice(true).await;
    let mut renders = Vec::new();
    for (route, lane, prompt, ends) in [
        (Route::Gemini, "batch", "", (Step::Gemini, Fidelity::Exact)),
        (Route::Gemini, "online", "", (Step::Gemini, Fidelity::Exact)),
        (Route::Gemini, "online", prompt, (Step::PhotoMaker, Fidelity::Described)),
        (Route::Legacy, "online", "", (Step::NanoBanana, Fidelity::Exact)),
    ] {
        let shopper = stack.shopper_of(route).await;
        let more = json!({"lane": lane});
        renders.push((stack.render_for(&shopper, "key", prompt, &more).await, ends));
    }
    for (id, ends) in &renders {
        let render = stack.pictured(id, *ends).await;
        assert_eq!(stack.charges(&render).len(), 1, "{:#?}", stack.charges(&render));
        ear.of(id).await;
    }
    // The last twins may still be under way.
    for _ in 0..3 {
        ear.hear().await;
    }
    stack.deliver_twice(false).await;
    assert!(stack.sent().await > before + 12, "hardly anything was sent");
    for (id, _) in &renders {
        let told: Vec<_> = ear.of(id).await.to_vec();
        assert!(told.len() > 1, "told once: {told:#?}");
        for event in &told {
            let mut detail = event["detail"].clone();
            detail.as_object_mut().unwrap().remove("again");
            assert_eq!(detail, told[0]["detail"]);
        }
    }
    stack.check_books().await;
}
