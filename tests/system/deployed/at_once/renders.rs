//! One render each way, and one for each way in which it can fail.

use serde_json::{Value, json};
use tryon_core::{
    chain::{Fidelity, Step},
    ids::AttemptId,
    lane::Lane,
    render::{FailureCode, RenderStatus},
    routing::Route,
};
use tryon_sandbox::{CallKind, Fault, Rule, When};

use crate::deployed::stack::Stack;

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn each_lane_and_the_legacy_route_end_in_a_picture() {
    let stack = Stack::shared().await;
    for (lane, route, ends) in [
        (Lane::Online, Route::Gemini, Step::Gemini),
        (Lane::Batch, Route::Gemini, Step::Gemini),
        (Lane::Online, Route::Legacy, Step::NanoBanana),
    ] {
        let shopper = stack.shopper_of(route).await;
        let id = stack.render_for(&shopper, "key", "", &json!({"lane": lane})).await;
        let render = stack.pictured(&id, (ends, Fidelity::Exact)).await;
        assert_eq!((render.assigned, render.served, render.lane), (route, route, lane));
        let query = format!("user_id={}", shopper.user);
        let (status, view) =
            stack.ask("GET", &format!("/v1/renders/{id}"), &query, None, None).await;
        assert_eq!((status, &view["status"]), (200, &json!("succeeded")));
        let (status, picture) = stack.fetch(view["picture"]["url"].as_str().unwrap()).await;
        assert_eq!((status, &picture[..3]), (200, &b"\xff\xd8\xff"[..]));
    }
}

fn online() -> Value {
    json!({"lane": "online"})
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn what_google_fails_falls_through_photomaker_to_sdxl() {
    let stack = Stack::shared().await;
    let google =
        |prompt| Rule::new(When::kind(CallKind::Online).prompt(prompt), Fault::status(500));
    let photo_maker = When::kind(CallKind::Prediction).key("/photo_maker/");
    let both = "with google and photomaker down";
    stack.sandbox.faults().push(google("with google down"));
    stack.sandbox.faults().push(google(both));
    let out_of_order = Fault::fail("invalid input (E006)");
    stack.sandbox.faults().push(Rule::new(photo_maker.prompt(both), out_of_order));
    let first = stack.render("with google down", &online()).await;
    let second = stack.render(both, &online()).await;
    let first = stack.pictured(&first, (Step::PhotoMaker, Fidelity::Described)).await;
    assert!(first.google_failed);
    let second = stack.pictured(&second, (Step::Sdxl, Fidelity::Described)).await;
    let steps: Vec<_> = second.costs.keys().filter_map(AttemptId::step).collect();
    assert!(steps.contains(&Step::PhotoMaker) && !steps.contains(&Step::NanoBanana), "{steps:?}");
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn a_refusal_ends_the_render() {
    let stack = Stack::shared().await;
    let prompt = "something indecent";
    let rule = Rule::new(When::any().prompt(prompt), Fault::blocked("PROHIBITED_CONTENT"));
    stack.sandbox.faults().push(rule);
    let render = stack.ended(&stack.render(prompt, &online()).await).await;
    let RenderStatus::Failed { code, .. } = render.status else { panic!("{render:#?}") };
    assert_eq!((code, render.costs.len()), (FailureCode::ContentRefused, 1));
}

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn poison_is_put_aside_and_its_neighbours_are_not() {
    let stack = Stack::shared().await;
    let send = stack.clients.sqs().send_message();
    let poison = "{\"v\": 1, \"type\": \"nonsense";
    let queue = stack.output("ImagenOnlineQueueUrl");
    send.queue_url(queue).message_body(poison).send().await.unwrap();
    let id = stack.render("", &online()).await;
    stack.pictured(&id, (Step::Gemini, Fidelity::Exact)).await;
    let dead = stack.output("ImagenOnlineDlqUrl");
    let receive = stack.clients.sqs().receive_message().queue_url(dead).wait_time_seconds(2);
    let found = receive.max_number_of_messages(10).send().await.unwrap();
    let bodies: Vec<_> = found.messages().iter().filter_map(|message| message.body()).collect();
    assert_eq!(bodies, [poison]);
}
