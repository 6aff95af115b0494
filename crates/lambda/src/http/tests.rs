use serde_json::{Value, json};
use tryon_core::{
    contract::fixtures::start,
    memory::{Call, Mishap},
    ports::QueueName,
    stages::Invocation,
};

use crate::{
    Handler, RouterHandler,
    testing::{self, House},
};

struct Edge {
    handler: RouterHandler,
    house: House,
}

impl Edge {
    async fn new() -> Self {
        let house = House::new();
        house.upload(&["in/person.jpg", "in/shirt.jpg"]).await;
        Self { handler: RouterHandler::new(house.router()), house }
    }

    async fn ask(&self, event: Value) -> Answer {
        let call = Invocation { deadline: start() };
        let response = self.handler.call(event, call).await.unwrap();
        let body = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
        let status = response["statusCode"].as_u64().unwrap();
        Answer { status, headers: response["headers"].clone(), body }
    }
}

#[derive(Debug)]
struct Answer {
    status: u64,
    headers: Value,
    body: Value,
}

impl Answer {
    /// Status, problem and field.
    fn problem(&self) -> (u64, &str, &str) {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], self.status);
        let kind = self.body["type"].as_str().unwrap().trim_start_matches("urn:tryon:problem:");
        (self.status, kind, self.body["field"].as_str().unwrap_or_default())
    }
}

fn event(name: &str) -> Value {
    testing::event(&format!("router.{name}"))
}

/// The create event with its body changed.
fn with_body(change: impl FnOnce(&mut Value)) -> Value {
    let mut event = event("create");
    let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
    change(&mut body);
    event["body"] = json!(body.to_string());
    event
}

fn read_of(answer: &Answer, name: &str) -> Value {
    let mut event = event(name);
    event["rawPath"] = answer.headers["location"].clone();
    event
}

#[tokio::test]
async fn a_render_is_accepted_once_and_can_be_read() {
    let edge = Edge::new().await;
    let first = edge.ask(event("create")).await;
    assert_eq!((first.status, &first.body["status"]), (202, &json!("accepted")), "{first:?}");
    assert_eq!(first.body["lane"], "batch");
    assert_eq!(first.headers["x-request-id"], "shop-7f3a");
    assert_eq!(first.headers["content-type"], "application/json");
    let id = first.body["render_id"].as_str().unwrap();
    assert_eq!(first.headers["location"], format!("/v1/renders/{id}"));
    let again = edge.ask(event("duplicate")).await;
    assert_eq!((again.status, &again.body["render_id"]), (202, &first.body["render_id"]));
    assert_eq!(edge.house.queues.depth(QueueName::Accumulator).total(), 1);
    let read = edge.ask(read_of(&first, "read")).await;
    assert_eq!((read.status, &read.body["render_id"]), (200, &first.body["render_id"]));
    assert_eq!(read.body["status"], "queued");
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let edge = Edge::new().await;
    edge.ask(event("create")).await;
    let other = edge.ask(with_body(|body| body["quality"] = json!("sd"))).await;
    assert_eq!(other.problem(), (422, "key-reused", "idempotency-key"));
}

#[tokio::test]
async fn a_token_names_its_user_whatever_the_request_says() {
    let edge = Edge::new().await;
    let mine = edge.ask(event("create-jwt")).await;
    assert_eq!((mine.status, &mine.body["lane"]), (202, &json!("online")), "{mine:?}");
    assert_eq!(edge.ask(read_of(&mine, "read-jwt")).await.status, 200);
    let mut other = read_of(&mine, "read-jwt");
    other["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = json!("mallory");
    other["queryStringParameters"] = json!({"user_id": "alice"});
    assert_eq!(edge.ask(other.clone()).await.problem(), (404, "not-found", ""));
    other["requestContext"]["authorizer"]["jwt"]["claims"] = json!({});
    assert_eq!(edge.ask(other).await.problem(), (401, "no-caller", ""));
}

#[tokio::test]
async fn a_backend_names_the_user() {
    let edge = Edge::new().await;
    let nobody = edge.ask(with_body(|body| body["user_id"] = Value::Null)).await;
    assert_eq!(nobody.problem(), (422, "field", "user_id"));
    let empty = edge.ask(with_body(|body| body["user_id"] = json!(""))).await;
    assert_eq!(empty.problem(), (422, "field", "user_id"));
    let mut read = event("read");
    for query in ["", "user_id=", "user_id=a&user_id=b"] {
        read["rawQueryString"] = json!(query);
        assert_eq!(edge.ask(read.clone()).await.problem(), (422, "field", "user_id"), "{query}");
    }
    read["rawQueryString"] = json!("user_id=alice");
    read["requestContext"].as_object_mut().unwrap().remove("authorizer");
    assert_eq!(edge.ask(read).await.problem(), (401, "no-caller", ""));
    assert_eq!(edge.ask(event("read")).await.problem(), (404, "not-found", ""));
}

#[tokio::test]
async fn a_wrong_field_is_named_with_the_fix() {
    let edge = Edge::new().await;
    let unknown = edge.ask(event("bad-body")).await;
    assert_eq!(unknown.problem(), (422, "field", "dedline_seconds"));
    let garment = |change: fn(&mut Value)| with_body(move |body| change(&mut body["garments"][0]));
    let cases = [
        (garment(|g| g["colour"] = json!("blue")), "garments[0].colour", "leave this field out"),
        (
            garment(|g| drop(g.as_object_mut().unwrap().remove("photo"))),
            "garments[0].photo",
            "give",
        ),
        (garment(|g| g["photo"] = json!("in/none.jpg")), "garments[0].photo", "upload"),
        (with_body(|b| drop(b.as_object_mut().unwrap().remove("person"))), "person", "give this"),
        (
            with_body(|b| b["quality"] = json!("alice-8k")),
            "quality",
            "give one of `sd`, `hd`, `4k`",
        ),
        (with_body(|b| b["deadline_seconds"] = json!(-5)), "deadline_seconds", "give a whole"),
        (with_body(|b| b["garments"] = json!("alice")), "garments", "give an array"),
        (with_body(|b| b["prompt"] = json!("x".repeat(2_001))), "prompt", "shorten"),
        (with_body(|b| b["deadline_seconds"] = json!(0)), "deadline_seconds", "deadline_seconds"),
    ];
    for (event, field, fix) in cases {
        let answer = edge.ask(event).await;
        assert_eq!(answer.problem(), (422, "field", field));
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.starts_with(fix) && !detail.contains("alice"), "{detail}");
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_refused() {
    let edge = Edge::new().await;
    let with = |key: &str, value: Value| {
        let mut event = event("create");
        event[key] = value;
        event
    };
    let header = |name: &str, value: Value| {
        let mut event = event("create");
        event["headers"][name] = value;
        event
    };
    let cases = [
        (with("body", json!("{\"user_id\": ")), (400, "unreadable-body", "")),
        (with("body", json!("[]")), (400, "unreadable-body", "")),
        (with("isBase64Encoded", json!(true)), (400, "unreadable-body", "")),
        (with("body", json!(" ".repeat(70_000))), (413, "body-too-large", "")),
        (header("content-type", json!("text/plain")), (415, "content-type", "")),
        (header("idempotency-key", json!("")), (422, "field", "idempotency-key")),
        (header("idempotency-key", json!("two words")), (422, "field", "idempotency-key")),
        (header("idempotency-key", json!("k".repeat(129))), (422, "field", "idempotency-key")),
        (with("rawPath", json!("/v1/renders/")), (405, "method", "")),
        (with("rawPath", json!("/v2/renders")), (404, "not-found", "")),
    ];
    for (event, expected) in cases {
        assert_eq!(edge.ask(event).await.problem(), expected);
    }
    let mut get = event("read");
    get["rawPath"] = json!("/v1/renders");
    let answer = edge.ask(get).await;
    assert_eq!((answer.problem().0, &answer.headers["allow"]), (405, &json!("POST")));
}

#[tokio::test]
async fn our_own_trouble_is_told_without_its_cause() {
    let edge = Edge::new().await;
    edge.house.chaos.fail_next(Call::RenderInsert, Mishap::Throttled);
    let answer = edge.ask(event("create")).await;
    assert_eq!(answer.problem(), (503, "unavailable", ""));
    assert_eq!(answer.body["detail"], "try again with the same idempotency key");
    assert_eq!(answer.headers["retry-after"], "2");
    assert_eq!(edge.ask(event("create")).await.status, 202);
}

#[tokio::test]
async fn the_stage_in_a_path_is_no_part_of_it() {
    let edge = Edge::new().await;
    let mut event = event("create");
    event["requestContext"]["stage"] = json!("dev");
    event["rawPath"] = json!("/dev/v1/renders");
    event["headers"]["x-request-id"] = json!("not one token");
    let answer = edge.ask(event).await;
    assert_eq!((answer.status, &answer.headers["x-request-id"]), (202, &json!("JKJaXmPLvHcESHA=")));
}
