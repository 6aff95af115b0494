use http::Method;
use serde_json::json;
use tryon_sandbox::{CallKind, Fault, Rule, When};

use super::{API, Desk, NANO_BANANA, SDXL, config};

async fn told(desk: &Desk, path: &str) -> (u16, serde_json::Value) {
    let answer = desk.try_get(&format!("{API}/v1/{path}")).await.unwrap();
    assert!(!answer.header("ratelimit-remaining").is_empty());
    (answer.status.as_u16(), answer.json())
}

#[tokio::test(start_paused = true)]
async fn the_account_and_its_models_are_told() {
    let desk = Desk::new(config());
    assert_eq!(told(&desk, "account").await.1["username"], "sandbox");
    let (status, model) = told(&desk, &format!("models/{NANO_BANANA}")).await;
    assert_eq!((status, &model["is_official"]), (200, &json!(true)));
    let (_, model) = told(&desk, "models/stability-ai/sdxl").await;
    assert_eq!(
        (&model["is_official"], &model["latest_version"]["id"]),
        (&json!(false), &json!(SDXL))
    );
    let (_, version) = told(&desk, &format!("models/stability-ai/sdxl/versions/{SDXL}")).await;
    assert_eq!(version["id"], SDXL);
    for nothing in [
        "models/nobody/nothing",
        "models/stability-ai/sdxl/versions/latest",
        "models/a/b/versions/c",
    ] {
        let (status, problem) = told(&desk, nothing).await;
        assert_eq!((status, &problem["status"]), (404, &json!(404)), "{nothing}");
    }
    assert!(desk.bench.sandbox.bill().charges.is_empty());
}

#[tokio::test(start_paused = true)]
async fn they_are_told_to_the_account_alone_and_meet_the_script() {
    let rule = Rule::new(When::kind(CallKind::PredictionModel).key("account"), Fault::status(503));
    let desk = Desk::with_rules(config(), vec![rule]);
    let url = format!("{API}/v1/models/{NANO_BANANA}");
    let shown = [("authorization", "Bearer r8_another")];
    let answer = desk.try_call(Method::GET, &url, &shown, String::new()).await.unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!(told(&desk, "account").await.0, 503);
}
