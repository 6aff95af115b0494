use serde_json::{Value, json};
use tryon_core::{
    contract::fixtures::start, ids::RenderId, ports::Renders, render::Render, stages::Invocation,
};

use super::document::Document;
use crate::{
    Handler, RouterHandler,
    http::HttpConfig,
    testing::{self, House},
};

/// What the uploads of alice lie below.
pub(super) const ALICE: &str = "in/2bd806c97f0e00af1a1fc3328fa763a9/";

/// Who the operators are.
const OPS: &str = "arn:aws:iam::123456789012:role/ops";

/// The handler in front of a house, and the document that it must keep to.
pub(super) struct Edge {
    pub(super) house: House,
    handler: RouterHandler,
    document: Document,
}

impl Edge {
    pub(super) async fn new() -> Self {
        Self::of(House::new()).await
    }

    pub(super) async fn of(house: House) -> Self {
        let ops_principals = vec![OPS.to_owned()];
        Self::with_config(house, HttpConfig { ops_principals, ..HttpConfig::default() }).await
    }

    pub(super) async fn with_config(house: House, config: HttpConfig) -> Self {
        let person = format!("{ALICE}019cb3a1-9e00-7000-8000-0a1b2c3d4e5f.jpg");
        let shirt = format!("{ALICE}019cb3a1-9e00-7000-8000-1a2b3c4d5e6f.jpg");
        house.upload(&["in/person.jpg", "in/shirt.jpg", &person, &shirt]).await;
        let router = house.router();
        let ops = house.ops(router.clone());
        let handler = RouterHandler::with_config(router, config).with_ops(ops);
        Self { handler, house, document: Document::read() }
    }

    pub(super) async fn ask(&self, event: Value) -> Answer {
        let call = Invocation { deadline: start() };
        let response = self.handler.call(event.clone(), call).await.unwrap();
        assert_eq!(response["isBase64Encoded"], false);
        let text = response["body"].as_str().unwrap();
        let body = serde_json::from_str(text).unwrap_or_default();
        let status = response["statusCode"].as_u64().unwrap();
        let answer = Answer { status, headers: response["headers"].clone(), body };
        self.document.check(&event, &answer);
        answer
    }

    /// The row of the render that an answer shows.
    pub(super) async fn row(&self, answer: &Answer) -> Render {
        let id = RenderId::from(answer.body["render_id"].as_str().expect("a render"));
        self.house.database.get(&[id]).await.unwrap().remove(0)
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u64,
    pub(super) headers: Value,
    pub(super) body: Value,
}

impl Answer {
    /// Status, problem and field.
    pub(super) fn problem(&self) -> (u64, &str, &str) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], self.status);
        let kind = self.body["type"].as_str().unwrap().trim_start_matches("urn:tryon:problem:");
        (self.status, kind, self.body["field"].as_str().unwrap_or_default())
    }

    pub(super) fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap()
    }
}

pub(super) fn event(name: &str) -> Value {
    testing::event(&format!("router.{name}"))
}

/// The event with its body changed.
pub(super) fn changed(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut event = event(name);
    let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
    change(&mut body);
    event["body"] = json!(body.to_string());
    event
}

/// The create event with its body changed.
pub(super) fn with_body(change: impl FnOnce(&mut Value)) -> Value {
    changed("create", change)
}

/// The create event with a key of its own.
pub(super) fn with_key(key: &str) -> Value {
    let mut event = event("create");
    event["headers"]["idempotency-key"] = json!(key);
    event
}

/// A read of what was created.
pub(super) fn read_of(answer: &Answer, name: &str) -> Value {
    let mut event = event(name);
    event["rawPath"] = answer.headers["location"].clone();
    event
}
