//! What the shop is told.

use serde_json::{Value, json};
use tryon_core::render::{Render, RenderStatus};
use tryon_sandbox::{Fault, Rule, When};

use crate::deployed::stack::Stack;

#[tokio::test]
#[ignore = "needs the deployed stack: tests/deployed"]
async fn the_end_of_a_render_is_told_on_the_bus() {
    let stack = Stack::shared().await;
    let mut ear = stack.listen("the-shop").await;
    let prompt = "something to be refused aloud";
    let rule = Rule::new(When::any().prompt(prompt), Fault::blocked("PROHIBITED_CONTENT"));
    stack.sandbox.faults().push(rule);
    for prompt in ["", prompt] {
        let render = stack.ended(&stack.render(prompt, &json!({"lane": "online"})).await).await;
        for event in ear.of(&render.id).await {
            let detail = told(&render);
            let expected = json!({
                "version": "0",
                "id": event["id"],
                "source": "render",
                "detail-type": detail["type"],
                "account": "000000000000",
                "region": "us-east-1",
                "time": event["time"],
                "resources": [],
                "detail": detail,
            });
            assert_eq!(*event, expected);
            assert!(event["id"].is_string() && event["time"].is_string(), "{event}");
        }
    }
}

/// What is to be told of the row.
fn told(render: &Render) -> Value {
    let mut told = json!({
        "v": 1,
        "id": format!("{}/ended", render.id),
        "render_id": render.id,
        "user_id": render.user_id,
    });
    let more = match &render.status {
        RenderStatus::Succeeded { picture, fidelity, size, at } => json!({
            "type": "render.completed",
            "at": at,
            "picture": {"key": picture.key, "bytes": picture.bytes, "mime": picture.mime},
            "fidelity": fidelity,
            "size": size,
        }),
        RenderStatus::Failed { code, at } => {
            json!({"type": "render.failed", "at": at, "code": code})
        }
        status => panic!("{status:?}"),
    };
    told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    told
}
