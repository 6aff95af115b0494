//! Many renders at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;
use tryon_core::{
    batch::{BatchStatus, SealReason},
    chain::{Fidelity, Step},
    ids::{AttemptId, BatchId},
    ports::Batches,
};

use crate::deployed::stack::Stack;

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn fifty_renders_seal_at_once() {
    let stack = Stack::shared().await;
    let ids = stack.many(55, &json!({"lane": "batch"})).await;
    let exact = (Step::Gemini, Fidelity::Exact);
    let renders = join_all(ids.iter().map(|id| stack.pictured(id, exact))).await;
    let batches: BTreeSet<BatchId> =
        renders.iter().flat_map(|render| render.costs.keys().map(AttemptId::owner)).collect();
    let mut reasons = Vec::new();
    for id in &batches {
        let batch = Batches::get(&stack.database, id).await.unwrap().unwrap();
        assert!(matches!(batch.status, BatchStatus::Completed { .. }), "{batch:#?}");
        assert!(batch.orders.len() <= 50);
        reasons.push(batch.sealed.unwrap().reason);
    }
    assert!(reasons.contains(&SealReason::Count), "{reasons:?}");
}
