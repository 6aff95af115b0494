//! The routes for operators, and everybody else before them.

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};
use tryon_core::{
    audit::{Act, AuditEntry},
    contract::fixtures::start,
    ids::RenderId,
    ports::{Audit, Queue, QueueName, Renders, SettingsSource, StatusBoard, StatusName},
    render::{FailureCode, Render, RenderStatus},
    routing::Percent,
};

use super::edge::{Answer, Edge, changed, event};
use crate::http::HttpConfig;
use crate::testing::House;

/// Every route, with a body that it takes.
fn routes() -> Vec<(&'static str, &'static str, Value)> {
    let until = start() + TimeDelta::days(1);
    vec![
        ("GET", "status", Value::Null),
        ("GET", "traffic", Value::Null),
        ("PUT", "traffic", json!({"percent": "5"})),
        ("GET", "budget", Value::Null),
        ("GET", "batches", Value::Null),
        ("GET", "renders/019cb3a1-9e00-7000-8000-5f0c1d2e3a4b", Value::Null),
        ("GET", "gates", Value::Null),
        ("POST", "waivers", json!({"gate": "quality", "reason": "few ratings", "until": until})),
        ("POST", "redrive", json!({"queue": "replicate"})),
        ("POST", "forget", json!({"user_id": "alice"})),
    ]
}

fn ask(method: &str, path: &str, body: &Value) -> Value {
    let mut event = event("ops-traffic");
    event["rawPath"] = json!(format!("/v1/ops/{path}"));
    event["requestContext"]["http"]["method"] = json!(method);
    event["body"] = if body.is_null() { Value::Null } else { json!(body.to_string()) };
    event
}

impl Edge {
    async fn ops(&self, method: &str, path: &str, body: Value) -> Answer {
        self.ask(ask(method, path, &body)).await
    }

    async fn set(&self, percent: &str, reason: Option<&str>, force: bool) -> Answer {
        let body = json!({"percent": percent, "reason": reason, "force": force});
        self.ops("PUT", "traffic", body).await
    }

    async fn traffic(&self) -> (Percent, Percent) {
        let settings = self.house.settings.settings().await;
        (settings.traffic_percent, settings.traffic_ceiling)
    }

    async fn done(&self) -> Vec<AuditEntry> {
        self.house.audit.recent(DateTime::UNIX_EPOCH, 100).await.unwrap()
    }

    async fn rollout(&self, status: Value) {
        self.house.board.post(StatusName::Rollout, &status.to_string()).await.unwrap();
    }
}

fn failing(gate: &str) -> Value {
    json!({
        "gate": gate, "verdict": "FAIL", "estimate": 0.08, "interval": null, "limit": 0.05,
        "count": 200, "needed": null, "group": null, "legacy": null, "eta": null, "waived": null,
    })
}

#[tokio::test]
async fn nobody_else_is_let_in() {
    let edge = Edge::new().await;
    let iam = |event: &Value| event["requestContext"]["authorizer"]["iam"].clone();
    for (method, path, body) in routes() {
        let request = ask(method, path, &body);
        let by = |authorizer: Value| {
            let mut event = request.clone();
            event["requestContext"]["authorizer"] = authorizer;
            event
        };
        assert_eq!(edge.ask(by(Value::Null)).await.problem(), (401, "no-caller", ""), "{path}");
        let token = json!({"jwt": {"claims": {"sub": "ops"}, "scopes": null}});
        assert_eq!(edge.ask(by(token)).await.problem(), (403, "not-ops", ""), "{path}");
        let shop = json!({"iam": iam(&event("read"))});
        assert_eq!(edge.ask(by(shop)).await.problem(), (403, "not-ops", ""), "{path}");
        let mut browser = iam(&request);
        browser["cognitoIdentity"] = json!({"amr": ["unauthenticated"]});
        let browser = by(json!({"iam": browser}));
        assert_eq!(edge.ask(browser).await.problem(), (401, "no-caller", ""), "{path}");
        // Where the deployment names nobody, nobody is.
        let closed = Edge::with_config(House::new(), HttpConfig::default()).await;
        assert_eq!(closed.ask(request).await.problem(), (403, "not-ops", ""), "{path}");
    }
    assert_eq!(edge.traffic().await.0, Percent::FULL);
    assert_eq!(edge.done().await, []);
}

#[tokio::test]
async fn an_operator_is_no_backend_and_the_routes_are_what_they_are() {
    let edge = Edge::new().await;
    for (method, path, body) in routes() {
        let missing = path.starts_with("renders/");
        let answer = edge.ops(method, path, body).await;
        assert_eq!(answer.status == 404, missing, "{path}: {answer:?}");
        assert!(missing || answer.status < 300, "{path}: {answer:?}");
        assert_eq!(edge.ops("DELETE", path, Value::Null).await.status, 405);
    }
    for path in ["", "nothing", "renders", "renders/a/b", "status/"] {
        assert_eq!(edge.ops("GET", path, Value::Null).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_traffic_is_set_and_remembered() {
    let edge = Edge::new().await;
    let answer = edge.set("12.5", None, false).await;
    assert_eq!((answer.status, &answer.body["in_force"]), (200, &json!("12.50")));
    let (from, to) = (Percent::FULL, "12.5".parse().unwrap());
    assert_eq!(edge.traffic().await, (to, Percent::FULL));
    let [entry] = &edge.done().await[..] else { panic!("one entry") };
    assert_eq!(entry.act, Act::TrafficSet { from, to });
    assert_eq!(entry.actor, "arn:aws:sts::123456789012:assumed-role/ops/alice");
    let number = edge.ops("PUT", "traffic", json!({"percent": 10})).await;
    assert_eq!((number.status, &number.body["traffic_percent"]), (200, &json!("10")));
    for bad in [json!("101"), json!("-1"), json!(1.234), json!(null), json!([])] {
        let answer = edge.ops("PUT", "traffic", json!({"percent": bad})).await;
        assert_eq!(answer.problem(), (422, "field", "percent"));
    }
}

#[tokio::test]
async fn more_is_refused_while_a_gate_fails() {
    let edge = Edge::new().await;
    edge.set("10", None, false).await;
    edge.rollout(json!({"findings": [failing("failures")], "mode": "manual"})).await;
    assert_eq!(edge.ops("GET", "status", Value::Null).await.body["good"], false);
    let refused = edge.set("50", Some("why not"), false).await;
    assert_eq!(refused.problem(), (409, "gate-fails", ""));
    assert!(refused.detail().contains("failures"), "{}", refused.detail());
    assert_eq!(edge.set("50", None, true).await.problem(), (422, "field", "reason"));
    assert_eq!(edge.set("50", Some(" "), true).await.problem(), (422, "field", "reason"));
    assert_eq!(edge.traffic().await.0, "10".parse().unwrap());
    assert_eq!(edge.set("5", None, false).await.status, 200, "less is always possible");
    assert_eq!(edge.set("50", Some("a sale"), true).await.status, 200);
    assert_eq!(edge.traffic().await.0, "50".parse().unwrap());
    let last = edge.done().await.remove(0);
    assert_eq!((last.reason.as_str(), &last.evidence["forced"]), ("a sale", &json!(true)));
    // What is waived does not fail.
    let mut waived = failing("quality");
    let (at, until) = (start(), start() + TimeDelta::days(1));
    waived["waived"] =
        json!({"gate": "quality", "reason": "r", "by": "ops", "at": at, "until": until});
    edge.rollout(json!({"findings": [waived]})).await;
    assert_eq!(edge.set("60", None, false).await.status, 200);
}

#[tokio::test]
async fn after_a_roll_back_a_reason_lifts_the_ceiling() {
    let edge = Edge::new().await;
    edge.house.settings.set("traffic-ceiling", "10").unwrap();
    edge.rollout(json!({"findings": [], "rolled_back": true, "mode": "automatic"})).await;
    assert_eq!(edge.set("50", None, false).await.problem(), (422, "field", "reason"));
    let answer = edge.set("50", Some("the model is mended"), false).await;
    assert_eq!((answer.status, &answer.body["in_force"]), (200, &json!("50")));
    let fifty = "50".parse().unwrap();
    assert_eq!(edge.traffic().await, (fifty, fifty), "not beyond what was asked");
    let done = edge.done().await;
    let acts: Vec<_> = done.iter().map(|entry| entry.act.kind()).collect();
    assert!(acts.contains(&"ceiling_set") && acts.contains(&"traffic_set"), "{acts:?}");
    // On its way up by itself, the ceiling is the rollout's.
    edge.rollout(json!({"rolled_back": false, "mode": "automatic"})).await;
    assert_eq!(edge.set("100", None, false).await.body["in_force"], "50");
    assert_eq!(edge.traffic().await, (Percent::FULL, fifty));
}

#[tokio::test]
async fn a_gate_is_waived_for_a_while() {
    let edge = Edge::new().await;
    let waive = async |gate: &str, reason: &str, days| {
        let until = start() + TimeDelta::days(days);
        edge.ops("POST", "waivers", json!({"gate": gate, "reason": reason, "until": until})).await
    };
    assert_eq!(waive("quality", "few ratings", 3).await.status, 201);
    assert_eq!(waive("quality", "", 3).await.problem(), (422, "field", "reason"));
    assert_eq!(waive("quality", "for ever", 31).await.problem(), (422, "field", "until"));
    assert_eq!(waive("luck", "x", 3).await.problem(), (422, "field", "gate"));
    assert_eq!(waive("quality", "enough now", 0).await.status, 201, "which ends it");
    let kinds: Vec<_> = edge.done().await.iter().map(|entry| entry.act.kind()).collect();
    assert_eq!(kinds, ["waived", "waived"]);
}

#[tokio::test]
async fn what_was_put_aside_is_sent_again() {
    let edge = Edge::new().await;
    let queue = QueueName::GeminiBatch;
    edge.house.queues.reject(queue, "poison".to_owned(), "unreadable").await.unwrap();
    let redrive = async |name: &str| edge.ops("POST", "redrive", json!({"queue": name})).await;
    assert_eq!(redrive("none").await.problem(), (422, "field", "queue"));
    let answer = redrive("gemini-batch").await;
    assert_eq!((answer.status, &answer.body["messages"]), (202, &json!(1)));
    assert_eq!(edge.house.queues.dlq(queue), []);
    assert_eq!(edge.house.queues.depth(queue).total(), 1);
    assert_eq!(redrive("gemini-batch.fifo").await.body["messages"], 0);
    let done = edge.done().await;
    assert!(done.iter().any(|entry| entry.evidence["messages"] == 1), "{done:?}");
}

/// Ends a render with nothing left to do for it.
async fn end(edge: &Edge, created: &Answer) -> RenderId {
    let row = edge.row(created).await;
    let id = row.id.clone();
    let over = Render {
        status: RenderStatus::Failed { code: FailureCode::TimedOut, at: start() },
        owed: [].into(),
        open_attempts: [].into(),
        to_join: false,
        due_at: None,
        ..row
    };
    let renders: &dyn Renders = edge.house.database.as_ref();
    assert_eq!(renders.update(&[over]).await, Ok(vec![true]));
    id
}

#[tokio::test]
async fn photos_of_a_render_that_goes_on_are_left() {
    let edge = Edge::new().await;
    let alices = |key: &str| {
        let mut event = changed("create", |body| body["user_id"] = json!("alice"));
        event["headers"]["idempotency-key"] = json!(key);
        event
    };
    let first = edge.ask(alices("first")).await;
    let second = edge.ask(alices("second")).await;
    end(&edge, &first).await;
    let receipt = edge.ops("POST", "forget", json!({"user_id": "alice"})).await;
    assert_eq!((&receipt.body["renders"], &receipt.body["photos"]), (&json!(1), &json!(0)));
    assert_eq!(receipt.body["under_way"][0]["render_id"], second.body["render_id"]);
    assert!(edge.house.objects.digest("in/person.jpg").is_some(), "the second needs it");
}

#[tokio::test]
async fn a_user_is_forgotten_once_nothing_goes_on() {
    let edge = Edge::new().await;
    let create = changed("create", |body| body["user_id"] = json!("alice"));
    let created = edge.ask(create).await;
    let forget = async || edge.ops("POST", "forget", json!({"user_id": "alice"})).await;
    let receipt = forget().await;
    assert_eq!(receipt.body["under_way"][0]["render_id"], created.body["render_id"]);
    assert_eq!((&receipt.body["renders"], &receipt.body["audit_id"]), (&json!(0), &Value::Null));
    let id = end(&edge, &created).await;
    let receipt = forget().await;
    // The person, and two uploads of alice's own; the shared shirt stays.
    assert_eq!((&receipt.body["renders"], &receipt.body["photos"]), (&json!(1), &json!(3)));
    let renders: &dyn Renders = edge.house.database.as_ref();
    assert_eq!(renders.get(&[id]).await, Ok(vec![]));
    assert!(edge.house.objects.digest("in/person.jpg").is_none());
    assert!(edge.house.objects.digest("in/shirt.jpg").is_some());
    let done = edge.done().await;
    assert_eq!(done[0].act, Act::Forgotten);
    assert!(
        !format!("{done:?}").contains("alice@")
            && !format!("{:?}", done[0].evidence).contains("alice")
    );
    let again = forget().await;
    assert_eq!((&again.body["renders"], &again.body["photos"]), (&json!(0), &json!(0)));
    assert_eq!(edge.ops("POST", "forget", json!({})).await.problem(), (422, "field", "user_id"));
}
