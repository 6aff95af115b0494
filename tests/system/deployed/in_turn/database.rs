use std::{process::Command, time::Duration};

use futures_util::future::join_all;
use serde_json::json;
use tryon_core::{
    chain::{Fidelity, Step},
    ports::Clock,
    routing::Route,
};
use tryon_lambda::system::SystemClock;

use crate::deployed::stack::{Stack, given};

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn results_wait_for_a_database_that_is_away() {
    let stack = Stack::alone(&[]).await;
    let asks = [
        (Route::Gemini, "batch", Step::Gemini),
        (Route::Gemini, "online", Step::Gemini),
        (Route::Legacy, "online", Step::NanoBanana),
    ];
    let renders = join_all(asks.map(async |(route, lane, step)| {
        let shopper = stack.shopper_of(route).await;
        (stack.render_for(&shopper, "key", "", &json!({"lane": lane})).await, step)
    }));
    let renders = renders.await;
    let control = given("TRYON_TEST_POSTGRES_CTL");
    let told = |word: &str| Command::new(&control).arg(word).status().unwrap().success();
    assert!(told("kill"));
    SystemClock.sleep(Duration::from_secs(60)).await;
    assert!(told("start"));
    for (id, step) in &renders {
        let render = stack.pictured(id, (*step, Fidelity::Exact)).await;
        assert_eq!((render.costs.len(), stack.charges(&render).len()), (1, 1), "bought once");
    }
    stack.check_books().await;
}
