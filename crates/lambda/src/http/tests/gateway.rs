use serde_json::{Value, json};
use tryon_core::{contract::fixtures::start, stages::Invocation};

use super::edge::{Edge, event};
use crate::{
    Handler, RouterHandler,
    http::{HttpConfig, OPENAPI},
    testing::{self, House, events},
};

#[tokio::test]
async fn every_event_of_the_repository_has_its_answer() {
    for name in events("router") {
        let status = match name.as_str() {
            "router.bad-body" => 422,
            "router.rate" | "router.ops-explain" | "router.read" | "router.read-jwt" => 404,
            "router.upload" => 201,
            "router.health" | "router.list" | "router.openapi" | "router.ops-forget"
            | "router.ops-status" | "router.ops-traffic" => 200,
            "router.ops-refused" => 403,
            _ => 202,
        };
        assert_eq!(Edge::new().await.ask(testing::event(&name)).await.status, status, "{name}");
    }
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
    let location = answer.headers["location"].as_str().unwrap();
    assert!(location.starts_with("/dev/v1/renders/"), "{location}");
}

#[tokio::test]
async fn the_document_is_served_to_anyone() {
    let edge = Edge::new().await;
    let answer = edge.ask(event("openapi")).await;
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    assert_eq!((answer.status, answer.body), (200, document));
}

#[tokio::test]
async fn both_payloads_are_one_request() {
    let edge = Edge::new().await;
    let two = edge.ask(event("create")).await;
    let one = edge.ask(event("create-v1")).await;
    assert_eq!((one.status, one.headers["x-request-id"].as_str()), (202, Some("shop-7f3a")));
    assert_eq!(one.body["render_id"], two.body["render_id"]);
    let call = Invocation { deadline: start() };
    let handler = RouterHandler::new(House::new().router());
    let shape = async |name| {
        let answer = handler.call(event(name), call).await.unwrap();
        let mut fields: Vec<_> = answer.as_object().unwrap().keys().cloned().collect();
        // In which order they stand depends on what else is built.
        fields.sort();
        fields
    };
    let common = ["body", "headers", "isBase64Encoded", "statusCode"];
    assert_eq!(
        shape("create-v1").await,
        [&common[..3], &["multiValueHeaders", "statusCode"]].concat()
    );
    assert_eq!(shape("create").await, [&["body", "cookies"], &common[1..]].concat());
}

/// A read in payload v1, with this authorizer and no signature.
fn read_v1(id: &Value, authorizer: Value) -> Value {
    let mut event = event("create-v1");
    event["httpMethod"] = json!("GET");
    event["path"] = json!(format!("/v1/renders/{}", id.as_str().unwrap()));
    event["requestContext"]["authorizer"] = authorizer;
    event["requestContext"]["identity"] = json!({"sourceIp": "203.0.113.17", "userArn": null});
    event
}

#[tokio::test]
async fn payload_v1_says_who_asks() {
    let edge = Edge::new().await;
    let created = edge.ask(event("create-v1")).await;
    let id = &created.body["render_id"];
    let read = |authorizer| read_v1(id, authorizer);
    let alice = json!({"sub": "alice"});
    for authorizer in [json!({"claims": alice}), json!({"jwt": {"claims": alice, "scopes": null}})]
    {
        assert_eq!(edge.ask(read(authorizer)).await.status, 200);
    }
    let other = edge.ask(read(json!({"claims": {"sub": "bob"}}))).await;
    assert_eq!(other.problem(), (404, "not-found", ""));
    for nobody in
        [Value::Null, json!({}), json!({"claims": "alice"}), json!({"principalId": "alice"})]
    {
        assert_eq!(edge.ask(read(nobody)).await.problem(), (401, "no-caller", ""));
    }
    let mut backend = read(Value::Null);
    backend["requestContext"]["identity"] =
        event("create-v1")["requestContext"]["identity"].clone();
    backend["queryStringParameters"] = json!({"user_id": "alice"});
    assert_eq!(edge.ask(backend.clone()).await.status, 200);
    backend["multiValueQueryStringParameters"] = json!({"user_id": ["alice", "bob"]});
    assert_eq!(edge.ask(backend.clone()).await.problem(), (422, "field", "user_id"));
    backend["multiValueQueryStringParameters"] = json!({"user_id": ["alice"]});
    assert_eq!(edge.ask(backend.clone()).await.status, 200);
    // A browser with credentials of an identity pool is signed as well, but no backend.
    backend["requestContext"]["identity"]["cognitoIdentityId"] = json!("us-east-1:a");
    assert_eq!(edge.ask(backend).await.problem(), (401, "no-caller", ""));
    let mut browser = event("read");
    browser["requestContext"]["authorizer"]["iam"]["cognitoIdentity"] =
        json!({"amr": ["unauthenticated"]});
    assert_eq!(edge.ask(browser).await.problem(), (401, "no-caller", ""));
}

#[tokio::test]
async fn the_stage_stands_only_in_paths_of_http_apis() {
    let edge = Edge::new().await;
    let mut event = event("create-v1");
    event["requestContext"]["stage"] = json!("v1");
    assert_eq!(edge.ask(event.clone()).await.status, 202);
    event["version"] = json!("1.0");
    event["path"] = json!("/v1/v1/renders");
    assert_eq!(edge.ask(event).await.status, 202);
}

#[tokio::test]
async fn an_event_of_another_kind_is_an_error() {
    let handler = RouterHandler::new(House::new().router());
    let call = Invocation { deadline: start() };
    for event in [json!({}), json!({"version": "2.0"}), json!({"Records": []}), json!("alice")] {
        let error = handler.call(event, call).await.unwrap_err();
        assert!(!error.to_string().contains("alice"), "{error}");
    }
}

async fn edge_for(origins: &[&str]) -> Edge {
    let cors_origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    Edge::with_config(House::new(), HttpConfig { cors_origins, ..HttpConfig::default() }).await
}

fn from_origin(name: &str, origin: &str) -> Value {
    let mut event = event(name);
    event["headers"]["origin"] = json!(origin);
    event
}

const SHOP: &str = "https://shop.example";

#[tokio::test]
async fn pages_of_known_origins_may_call() {
    let edge = edge_for(&["https://a.example", SHOP]).await;
    for name in ["create", "bad-body", "health"] {
        let answer = edge.ask(from_origin(name, SHOP)).await;
        assert_eq!(answer.headers["access-control-allow-origin"], SHOP);
        assert_eq!(answer.headers["vary"], "origin");
        let exposed = "location, retry-after, x-request-id";
        assert_eq!(answer.headers["access-control-expose-headers"], exposed);
    }
    for stranger in ["https://evil.example", "https://shop.example.evil", "null", ""] {
        let answer = edge.ask(from_origin("health", stranger)).await;
        assert!(answer.headers.get("access-control-allow-origin").is_none(), "{stranger}");
        assert_eq!(answer.headers["vary"], "origin");
    }
    let open = edge_for(&["*"]).await;
    let answer = open.ask(from_origin("health", "https://any.example")).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    let closed = Edge::new().await.ask(from_origin("health", SHOP)).await;
    assert!(closed.headers.get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn a_preflight_is_answered_where_pages_may_call() {
    let edge = edge_for(&[SHOP]).await;
    let mut preflight = from_origin("create", SHOP);
    preflight["requestContext"]["http"]["method"] = json!("OPTIONS");
    preflight["requestContext"]["authorizer"] = Value::Null;
    let answer = edge.ask(preflight.clone()).await;
    assert_eq!((answer.status, &answer.body), (204, &Value::Null));
    assert_eq!(answer.headers["access-control-allow-origin"], SHOP);
    assert_eq!(answer.headers["access-control-allow-methods"], "GET, POST");
    let allowed = "authorization, content-type, idempotency-key, x-request-id";
    assert_eq!(answer.headers["access-control-allow-headers"], allowed);
    assert_eq!(Edge::new().await.ask(preflight.clone()).await.status, 405);
    preflight["rawPath"] = json!("/v1/nothing");
    assert_eq!(edge.ask(preflight).await.status, 404);
}
