use std::time::Duration;

use serde_json::{Value, json};
use tryon_core::{
    catalogue::Size,
    chain::Fidelity,
    contract::fixtures::start,
    memory::{Call, Grant, Mishap},
    picture::{Mime, PictureRef},
    ports::{Clock, Renders},
    render::{FailureCode, Interim, Render, RenderStatus},
};

use super::edge::{Answer, Edge, event, read_of, with_key};

fn picture() -> PictureRef {
    PictureRef { key: "out/a.jpg".to_owned(), bytes: 7, mime: Mime::Jpeg }
}

/// Creates a render, makes it another, and reads it.
async fn read_as(edge: &Edge, change: impl FnOnce(&mut Render)) -> Answer {
    let created = edge.ask(event("create")).await;
    let mut row = edge.row(&created).await;
    change(&mut row);
    edge.house.database.update(&[row]).await.unwrap();
    edge.ask(read_of(&created, "read")).await
}

/// The address in a view leads to the picture, for an hour.
fn leads_to_the_picture(edge: &Edge, view: &Value) {
    let url = view["url"].as_str().unwrap().parse().unwrap();
    assert_eq!(edge.house.links.check(&url), Ok(Grant::Read { key: picture().key }));
    assert_eq!(view["expires_at"], "2026-11-23T13:00:00Z");
    assert_eq!((&view["mime"], &view["bytes"]), (&json!("image/jpeg"), &json!(7)));
}

#[tokio::test(start_paused = true)]
async fn a_picture_comes_with_an_address() {
    let edge = Edge::new().await;
    let answer = read_as(&edge, |row| {
        row.status = RenderStatus::Succeeded {
            picture: picture(),
            fidelity: Fidelity::Described,
            size: Size::OneK,
            at: start(),
        };
    })
    .await;
    assert_eq!((&answer.body["status"], answer.status), (&json!("succeeded"), 200));
    let view = &answer.body["picture"];
    leads_to_the_picture(&edge, view);
    assert_eq!((&view["fidelity"], &view["size"]), (&json!("described"), &json!("1k")));
    assert!(answer.headers.get("retry-after").is_none() && answer.body.get("interim").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_smaller_picture_is_shown_while_it_is_enlarged() {
    let edge = Edge::new().await;
    let answer = read_as(&edge, |row| {
        row.status = RenderStatus::Queued;
        let (picture, fidelity, size) = (picture(), Fidelity::Exact, Size::OneK);
        row.interim = Some(Interim { picture, fidelity, size });
    })
    .await;
    leads_to_the_picture(&edge, &answer.body["interim"]);
    assert!(answer.body.get("picture").is_none());
    assert!(answer.headers.get("retry-after").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_in_our_words() {
    let codes = [
        FailureCode::ContentRefused,
        FailureCode::ProviderUnavailable,
        FailureCode::BudgetExhausted,
        FailureCode::TimedOut,
    ];
    for code in codes {
        let edge = Edge::new().await;
        let failed = RenderStatus::Failed { code, at: start() };
        let answer = read_as(&edge, |row| row.status = failed).await;
        assert_eq!(answer.body["failure"]["code"], code.as_str());
        assert!(!answer.body["failure"]["detail"].as_str().unwrap().is_empty());
        assert_eq!(answer.body["ended_at"], "2026-11-23T12:00:00Z");
        assert!(answer.headers.get("retry-after").is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_follows_the_age() {
    let edge = Edge::new().await;
    let created = edge.ask(event("create-jwt")).await;
    assert_eq!(created.headers["retry-after"], "10");
    edge.house.clock.sleep(Duration::from_secs(15)).await;
    let read = edge.ask(read_of(&created, "read-jwt")).await;
    assert_eq!(read.headers["retry-after"], "5");
}

#[tokio::test]
async fn a_token_names_its_user_whatever_the_request_says() {
    let edge = Edge::new().await;
    let mine = edge.ask(event("create-jwt")).await;
    assert_eq!((mine.status, &mine.body["lane"]), (202, &json!("online")), "{mine:?}");
    assert_eq!(edge.ask(read_of(&mine, "read-jwt")).await.status, 200);
    let mut other = read_of(&mine, "read-jwt");
    other["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = json!("mallory");
    other["rawQueryString"] = json!("user_id=alice");
    let iam = event("read")["requestContext"]["authorizer"]["iam"].clone();
    other["requestContext"]["authorizer"]["iam"] = iam;
    assert_eq!(edge.ask(other.clone()).await.problem(), (404, "not-found", ""));
    for claims in [json!({}), json!({"sub": ""}), json!({"sub": 7}), Value::Null] {
        other["requestContext"]["authorizer"]["jwt"]["claims"] = claims;
        assert_eq!(edge.ask(other.clone()).await.problem(), (401, "no-caller", ""));
    }
}

#[tokio::test]
async fn a_backend_names_the_user() {
    let edge = Edge::new().await;
    let mut read = event("read");
    for query in ["", "user_id=", "user_id=a&user_id=b", "user_id=%ff", "user_id=%00"] {
        read["rawQueryString"] = json!(query);
        assert_eq!(edge.ask(read.clone()).await.problem(), (422, "field", "user_id"), "{query}");
    }
    assert_eq!(edge.ask(event("read")).await.problem(), (404, "not-found", ""));
}

#[tokio::test]
async fn an_id_that_is_none_is_not_found() {
    let edge = Edge::new().await;
    for id in ["", "%zz", "%00", "a%2fb", "019CB3A1-9E00-7000-8000-5F0C1D2E3A4B", "\u{0}", "ü"] {
        let mut read = event("read");
        read["rawPath"] = json!(format!("/v1/renders/{id}"));
        assert_eq!(edge.ask(read).await.problem(), (404, "not-found", ""), "{id}");
    }
}

fn list(query: &str) -> Value {
    let mut event = event("list");
    event["rawQueryString"] = json!(query);
    event
}

fn ids(answer: &Answer) -> Vec<String> {
    let renders = answer.body["renders"].as_array().unwrap();
    renders.iter().map(|render| render["render_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_page_by_page() {
    let edge = Edge::new().await;
    assert_eq!(edge.ask(event("list")).await.body, json!({"renders": []}));
    let mut created = Vec::new();
    for number in 0..5 {
        let answer = edge.ask(with_key(&format!("key-{number}"))).await;
        created.insert(0, answer.body["render_id"].as_str().unwrap().to_owned());
        edge.house.clock.sleep(Duration::from_secs(1)).await;
    }
    let mut other = with_key("other");
    other["body"] = json!(other["body"].as_str().unwrap().replace("alice", "bob"));
    assert_eq!(edge.ask(other).await.status, 202);
    let (mut read, mut query) = (Vec::new(), "limit=2".to_owned());
    for left in [Some(()), Some(()), None] {
        let page = edge.ask(list(&query)).await;
        read.extend(ids(&page));
        let next = page.body.get("next_cursor").and_then(Value::as_str);
        assert_eq!(next.map(|_| ()), left);
        query = format!("limit=2&cursor={}", next.unwrap_or_default());
    }
    assert_eq!(read, created);
    assert_eq!(ids(&edge.ask(list("limit=5")).await).len(), 5);
    assert!(edge.ask(list("limit=5")).await.body.get("next_cursor").is_none());
    assert_eq!(ids(&edge.ask(list("other=1")).await), created);
}

#[tokio::test]
async fn a_bad_page_is_named() {
    let edge = Edge::new().await;
    let cases = [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=+5", "limit"),
        ("limit=1e1", "limit"),
        ("limit=", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=", "cursor"),
        ("cursor=abc!", "cursor"),
        ("cursor=YWxpY2U", "cursor"),
        ("cursor=%ff", "cursor"),
        ("cursor=a&cursor=a", "cursor"),
    ];
    for (query, field) in cases {
        assert_eq!(edge.ask(list(query)).await.problem(), (422, "field", field), "{query}");
    }
}

#[tokio::test]
async fn trouble_while_reading_is_told() {
    let edge = Edge::new().await;
    let created = edge.ask(event("create")).await;
    edge.house.chaos.fail_next(Call::RenderGet, Mishap::Throttled);
    assert_eq!(edge.ask(read_of(&created, "read")).await.problem(), (503, "unavailable", ""));
    edge.house.chaos.fail_next(Call::RenderList, Mishap::Throttled);
    assert_eq!(edge.ask(event("list")).await.problem(), (503, "unavailable", ""));
}
