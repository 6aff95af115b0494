use futures_util::future::join_all;
use serde_json::json;
use tryon_core::{
    batch::SealReason,
    chain::{Fidelity, Step},
    ids::AttemptId,
    ports::Batches,
};

use crate::deployed::stack::Stack;

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn seven_renders_seal_when_their_time_is_up() {
    let stack = Stack::alone(&[]).await;
    let ids = stack.many(7, &json!({"lane": "batch"})).await;
    let exact = (Step::Gemini, Fidelity::Exact);
    let renders = join_all(ids.iter().map(|id| stack.pictured(id, exact))).await;
    let batch = renders[0].costs.keys().map(AttemptId::owner).next().unwrap();
    let batch = Batches::get(&stack.database, &batch).await.unwrap().unwrap();
    assert_eq!((batch.orders.len(), batch.sealed.unwrap().reason), (7, SealReason::Time));
}
