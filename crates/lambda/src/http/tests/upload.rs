use serde_json::{Value, json};
use tryon_core::{memory::Grant, picture::Mime};

use super::edge::{ALICE, Edge, changed, event};

#[tokio::test(start_paused = true)]
async fn an_upload_gets_an_address_for_exactly_this_picture() {
    let edge = Edge::new().await;
    let answer = edge.ask(event("upload")).await;
    assert_eq!((answer.status, &answer.body["method"]), (201, &json!("PUT")), "{answer:?}");
    let key = answer.body["key"].as_str().unwrap();
    let name = key.strip_prefix(ALICE).unwrap().strip_suffix(".jpg").unwrap();
    assert_eq!((name.len(), &name[14..15]), (36, "7"), "no UUID v7: {name}");
    let url = answer.body["url"].as_str().unwrap().parse().unwrap();
    let grant = Grant::Write { key: key.to_owned(), mime: Mime::Jpeg, bytes: 184_320 };
    assert_eq!(edge.house.links.check(&url), Ok(grant));
    let headers = json!({
        "content-type": "image/jpeg", "content-length": "184320", "if-none-match": "*",
    });
    assert_eq!(answer.body["headers"], headers);
    assert_eq!(answer.body["expires_at"], "2026-11-23T12:15:00Z");
    let other = edge.ask(event("upload")).await;
    assert_ne!(other.body["key"], key, "an upload is written once");
}

#[tokio::test]
async fn a_backend_uploads_for_the_user_it_names() {
    let edge = Edge::new().await;
    let upload = |user: Value| {
        let mut event = changed("upload", |body| {
            body["user_id"] = user;
            body["content_type"] = json!("image/webp");
        });
        event["requestContext"]["authorizer"] =
            self::event("create")["requestContext"]["authorizer"].clone();
        event
    };
    let answer = edge.ask(upload(json!("alice"))).await;
    let key = answer.body["key"].as_str().unwrap();
    assert_eq!((&key[..ALICE.len()], key.split_once('.').unwrap().1), (ALICE, "webp"));
    assert_eq!(edge.ask(upload(json!(""))).await.problem(), (422, "field", "user_id"));
    // A token is its subject.
    let mut owner = changed("upload", |body| body["user_id"] = json!("alice"));
    owner["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = json!("bob");
    let answer = edge.ask(owner).await;
    assert!(!answer.body["key"].as_str().unwrap().starts_with(ALICE));
}
