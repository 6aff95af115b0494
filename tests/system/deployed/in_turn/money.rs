//! Twenty batches at once, and money for few of them.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{FutureExt, future::join_all, select_biased};
use serde_json::json;
use tryon_core::{
    attempt::{Attempt, AttemptState},
    budget::{Account, Balance, CAP_PERCENT, Verdict},
    catalogue::Catalogue,
    chain::{Fidelity, Step},
    ids::{AttemptId, RenderId},
    lane::Lane,
    money::Micros,
    ports::Clock,
    render::Render,
};
use tryon_lambda::system::SystemClock;

use crate::deployed::{report::picture, stack::Stack};

const BATCHES: usize = 20;
const A_BATCH: usize = 3;

/// The most that a batch of renders like this one can cost.
fn price(render: &Render) -> Micros {
    let catalogue = Catalogue::built_in().unwrap();
    let entry = catalogue.get(&render.entry).unwrap();
    entry.maximum(Lane::Batch, &render.request).times(A_BATCH as u64)
}

async fn google(stack: &Stack) -> Balance {
    stack.balance(Account::Google, SystemClock.now().date_naive()).await
}

/// The ends of the renders, and the most that was committed until then.
async fn watched(stack: &Stack, ids: &[RenderId]) -> (Vec<Render>, Micros) {
    let ended = join_all(ids.iter().map(|id| stack.ended(id))).fuse();
    let mut most = Micros::ZERO;
    futures_util::pin_mut!(ended);
    loop {
        let look = SystemClock.sleep(Duration::from_millis(300)).fuse();
        futures_util::pin_mut!(look);
        select_biased! {
            renders = ended => return (renders, most),
            () = look => most = most.max(google(stack).await.committed()),
        }
    }
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn twenty_batches_at_once_never_pass_the_cap() {
    // Only the count seals.
    let size = A_BATCH.to_string();
    let knobs = [("max-batch-size", size.as_str()), ("batch-timeout-ms", "120000")];
    let stack = Stack::alone(&knobs).await;
    let one = stack.ended(&stack.render("", &json!({"lane": "online"})).await).await;
    let known: BTreeSet<AttemptId> = stack.attempts().await.into_iter().map(|a| a.id).collect();

    // Two fit; once they have settled, at somewhat more than half, there is no room for a third.
    let price = price(&one);
    let room = price.times(2) + price.percent(10);
    let cap = google(&stack).await.committed() + room;
    let limit = Micros::new(cap.get() * 100 / CAP_PERCENT + 1);
    stack.turn([("daily-budget-usd", limit.to_string().trim_start_matches('$'))]).await;

    let ids = stack.many(BATCHES * A_BATCH, &json!({"lane": "batch"})).await;
    let (renders, most) = watched(&stack, &ids).await;
    assert!(most <= limit.percent(CAP_PERCENT), "{most} of {limit}");
    assert!(renders.iter().all(|render| picture(render).is_some()));

    let attempts = stack.attempts().await;
    let new = |a: &&Attempt| a.account == Account::Google && !known.contains(&a.id);
    let batches: Vec<_> = attempts.iter().filter(new).collect();
    let bought = batches.iter().filter(|a| matches!(a.state, AttemptState::Settled { .. })).count();
    let unfunded = batches.iter().filter(|a| matches!(a.state, AttemptState::NeverBought { .. }));
    assert_eq!((batches.len(), bought, unfunded.count()), (BATCHES, 2, BATCHES - 2));
    assert!(batches.iter().any(|attempt| attempt.waits > 0), "nobody had to wait");

    let balance = google(&stack).await;
    assert_eq!(balance.judge(price, limit), Verdict::Open, "{balance:?} of {limit}");
    let exact = renders.iter().filter(|r| picture(r) == Some((Step::Gemini, Fidelity::Exact)));
    assert_eq!(exact.count(), 2 * A_BATCH);
    for id in stack.many(A_BATCH, &json!({"lane": "batch"})).await {
        stack.pictured(&id, (Step::PhotoMaker, Fidelity::Described)).await;
    }
    stack.check_books().await;
}
