use std::time::Duration;

use serde_json::{Value, json};
use tryon_core::ports::Clock;
use tryon_sandbox::{CallKind, Fault, Rule, SandboxConfig, When};

use super::{API, Desk, SDXL, config};

async fn page(desk: &Desk, url: &str) -> Value {
    let answer = desk.try_get(url).await.unwrap();
    assert_eq!(answer.status, 200, "{url}");
    answer.json()
}

fn seeds(page: &Value) -> Vec<i64> {
    let results = page["results"].as_array().unwrap();
    results.iter().map(|object| object["input"]["seed"].as_i64().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn pages_go_from_the_newest_back() {
    let desk = Desk::new(config());
    let mut middle = desk.bench.clock.now();
    for seed in 0..250 {
        if seed == 120 {
            middle = desk.bench.clock.now();
        }
        desk.made(SDXL, json!({"seed": seed})).await;
        desk.pass(1).await;
    }
    let mut url = format!("{API}/v1/predictions");
    let mut all = Vec::new();
    for count in [100, 100, 50] {
        let page = page(&desk, &url).await;
        assert_eq!(seeds(&page).len(), count);
        assert!(page["previous"].is_null());
        all.extend(seeds(&page));
        url = page["next"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!((all, url.as_str()), ((0..250).rev().collect(), ""));

    let at = middle.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let since = format!("{API}/v1/predictions?created_after={at}");
    let first = page(&desk, &since).await;
    let second = page(&desk, first["next"].as_str().unwrap()).await;
    assert_eq!((seeds(&second), &second["next"]), ((120..150).rev().collect(), &Value::Null));
    let before = page(&desk, &format!("{API}/v1/predictions?created_before={at}")).await;
    assert_eq!(seeds(&before)[0], 119);
    assert_eq!(page(&desk, &format!("{since}&source=web")).await["results"], json!([]));
    let bad = format!("{API}/v1/predictions?created_after=yesterday");
    assert_eq!(desk.try_get(&bad).await.unwrap().status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_listing_may_lag() {
    let lagging = SandboxConfig { list_lag: Duration::from_secs(5), ..config() };
    let rule = Rule::new(When::kind(CallKind::PredictionList), Fault::LagList { seconds: 5 });
    for desk in [Desk::new(lagging), Desk::with_rules(config(), vec![rule])] {
        let id = desk.made(SDXL, json!({"seed": 1})).await;
        let url = format!("{API}/v1/predictions");
        desk.pass(4).await;
        assert_eq!(page(&desk, &url).await["results"], json!([]));
        assert_eq!(desk.status(&id).await, "succeeded");
        desk.pass(1).await;
        assert_eq!(seeds(&page(&desk, &url).await), [1]);
    }
}
