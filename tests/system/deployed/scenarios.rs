//! One scenario a behaviour, each through the deployed functions.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;
use tryon_core::{
    batch::{BatchStatus, SealReason},
    chain::{Fidelity, Step},
    ids::{AttemptId, BatchId},
    lane::Lane,
    ports::{Batches, QueueName},
    render::{FailureCode, Render, RenderStatus},
    routing::Route,
};
use tryon_sandbox::{CallKind, Fault, Rule, When};

use super::stack::Stack;

fn succeeded(render: &Render) -> bool {
    matches!(render.status, RenderStatus::Succeeded { .. })
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn each_lane_and_the_legacy_route_end_in_a_picture() {
    let stack = Stack::find().await;
    let shopper = stack.shopper().await;
    for (key, more, lane) in [
        ("online", json!({"lane": "online"}), Lane::Online),
        ("batch", json!({"lane": "batch"}), Lane::Batch),
    ] {
        let id = stack.render_for(&shopper, key, "", &more).await;
        let render = stack.ended(&id).await;
        assert!(succeeded(&render), "{key}: {render:#?}");
        assert_eq!((render.served, render.lane), (Route::Gemini, lane));
        let query = format!("user_id={}", shopper.user);
        let (status, view) =
            stack.ask("GET", &format!("/v1/renders/{id}"), &query, None, None).await;
        assert_eq!((status, &view["status"]), (200, &json!("succeeded")));
        let (status, picture) = stack.fetch(view["picture"]["url"].as_str().unwrap()).await;
        assert_eq!((status, &picture[..3]), (200, &b"\xff\xd8\xff"[..]));
    }
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn fifty_renders_seal_at_once() {
    let stack = Stack::find().await;
    let shoppers = join_all((0..5).map(|_| stack.shopper())).await;
    let accepts = shoppers.iter().flat_map(|shopper| (0..11).map(move |n| (shopper, n)));
    let accepts = accepts.map(|(shopper, n)| {
        let (stack, key) = (&stack, format!("key-{n}"));
        async move { stack.render_for(shopper, &key, "", &json!({"lane": "batch"})).await }
    });
    let ids = join_all(accepts).await;
    let renders = join_all(ids.iter().map(|id| stack.ended(id))).await;
    assert!(renders.iter().all(succeeded));
    let batches: BTreeSet<BatchId> =
        renders.iter().flat_map(|render| render.costs.keys().map(AttemptId::owner)).collect();
    let mut reasons = Vec::new();
    for id in &batches {
        let batch = Batches::get(&stack.database, id).await.unwrap().unwrap();
        assert!(matches!(batch.status, BatchStatus::Completed { .. }));
        assert!(batch.orders.len() <= 50);
        reasons.push(batch.sealed.unwrap().reason);
    }
    assert!(reasons.contains(&SealReason::Count), "{reasons:?}");
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn what_google_fails_falls_through() {
    let stack = Stack::find().await;
    let prompt = "with google down";
    let rule = Rule::new(When::kind(CallKind::Online).prompt(prompt), Fault::status(500));
    stack.sandbox.faults().push(rule);
    let id = stack.render(prompt, &json!({"lane": "online"})).await;
    let render = stack.ended(&id).await;
    assert!(succeeded(&render), "{render:#?}");
    assert!(render.google_failed);
    let RenderStatus::Succeeded { fidelity, .. } = render.status else { unreachable!() };
    assert_eq!((render.step, fidelity), (Step::PhotoMaker, Fidelity::Described));
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn a_refusal_ends_the_render() {
    let stack = Stack::find().await;
    let prompt = "something indecent";
    let rule = Rule::new(When::any().prompt(prompt), Fault::blocked("PROHIBITED_CONTENT"));
    stack.sandbox.faults().push(rule);
    let id = stack.render(prompt, &json!({"lane": "online"})).await;
    let render = stack.ended(&id).await;
    let RenderStatus::Failed { code, .. } = render.status else { panic!("{render:#?}") };
    assert_eq!((code, render.costs.len()), (FailureCode::ContentRefused, 1));
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn poison_is_put_aside_and_its_neighbours_are_not() {
    let stack = Stack::find().await;
    let send = stack.clients.sqs().send_message();
    let poison = "{\"v\": 1, \"type\": \"nonsense";
    let queue = stack.output("ImagenOnlineQueueUrl");
    send.queue_url(queue).message_body(poison).send().await.unwrap();
    let render = stack.ended(&stack.render("", &json!({"lane": "online"})).await).await;
    assert!(succeeded(&render), "{render:#?}");
    let dead = stack.output("ImagenOnlineDlqUrl");
    let receive = stack.clients.sqs().receive_message().queue_url(dead).wait_time_seconds(20);
    let found = receive.max_number_of_messages(10).send().await.unwrap();
    let bodies: Vec<_> = found.messages().iter().filter_map(|message| message.body()).collect();
    assert_eq!(bodies, [poison], "of {}", QueueName::ImagenOnline.as_str());
}
