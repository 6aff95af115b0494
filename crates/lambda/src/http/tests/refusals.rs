use serde_json::{Value, json};

use super::{
    document::Document,
    edge::{Edge, changed, event, with_body},
};

#[tokio::test]
async fn a_wrong_field_is_named_with_the_fix() {
    let edge = Edge::new().await;
    let unknown = edge.ask(event("bad-body")).await;
    assert_eq!(unknown.problem(), (422, "field", "dedline_seconds"));
    let garment = |change: fn(&mut Value)| with_body(move |body| change(&mut body["garments"][0]));
    let without = |name: &'static str| with_body(|b| drop(b.as_object_mut().unwrap().remove(name)));
    let cases = [
        (garment(|g| g["colour"] = json!("blue")), "garments[0].colour", "leave this field out"),
        (
            garment(|g| drop(g.as_object_mut().unwrap().remove("photo"))),
            "garments[0].photo",
            "give",
        ),
        (garment(|g| g["photo"] = json!("in/none.jpg")), "garments[0].photo", "upload"),
        (garment(|g| g["photo"] = json!("out/a.jpg")), "garments[0].photo", "name a picture"),
        (garment(|g| g["photo"] = json!("in/\u{0}")), "garments[0].photo", "name a picture"),
        (without("person"), "person", "give this"),
        (without("user_id"), "user_id", "name the user"),
        (with_body(|b| b["user_id"] = Value::Null), "user_id", "give a string"),
        (with_body(|b| b["user_id"] = json!("")), "user_id", "name the user"),
        (with_body(|b| b["user_id"] = json!("a\u{0}")), "user_id", "name the user"),
        (with_body(|b| b["user_id"] = json!("a".repeat(257))), "user_id", "name the user"),
        (
            with_body(|b| b["quality"] = json!("alice-8k")),
            "quality",
            "give one of `sd`, `hd`, `4k`",
        ),
        (with_body(|b| b["deadline_seconds"] = json!(-5)), "deadline_seconds", "give a whole"),
        (with_body(|b| b["garments"] = json!("alice")), "garments", "give an array"),
        (with_body(|b| b["person"] = json!(["in/a", "man"])), "person", "give an object"),
        (garment(|g| *g = json!(["in/a", "shirt"])), "garments[0]", "give an object"),
        (with_body(|b| b["quality"] = json!({"hd": null})), "quality", "give a string"),
        (with_body(|b| b["lane"] = json!({"batch": null})), "lane", "give a string"),
        (with_body(|b| b["aspect_ratio"] = json!(1)), "aspect_ratio", "give a string"),
        (with_body(|b| b["prompt"] = json!("x".repeat(2_001))), "prompt", "shorten"),
        (with_body(|b| b["prompt"] = Value::Null), "prompt", "give a string"),
        (with_body(|b| b["deadline_seconds"] = json!(0)), "deadline_seconds", "deadline_seconds"),
        (with_body(|b| b["give_up_seconds"] = json!(9)), "give_up_seconds", "give_up_seconds"),
        (
            with_body(|b| b["deadline_seconds"] = json!(u64::MAX)),
            "deadline_seconds",
            "give a whole number within its bounds",
        ),
    ];
    for (event, field, fix) in cases {
        let answer = edge.ask(event).await;
        assert_eq!(answer.problem(), (422, "field", field));
        let detail = answer.detail();
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
    let unreadable = [
        "{\"user_id\": ",
        "",
        "[]",
        "null",
        "{\"quality\": 1e999}",
        "{\"prompt\": \"\\ud800\"}",
        "{\"user_id\": \"alice\", \"user_id\": \"bob\"}",
        "{\"person\": {\"photo\": \"in/a\", \"photo\": \"in/b\"}}",
        "{} {}",
        "\u{feff}{}",
    ];
    for body in unreadable {
        let answer = edge.ask(with("body", json!(body))).await;
        assert_eq!(answer.problem(), (400, "unreadable-body", ""), "{body}");
    }
    let deep = format!("{}{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    let mut not_utf8 = with("body", json!("/w=="));
    not_utf8["isBase64Encoded"] = json!(true);
    let cases = [
        (with("body", json!(deep)), (400, "unreadable-body", "")),
        (with("body", Value::Null), (400, "unreadable-body", "")),
        (not_utf8, (400, "unreadable-body", "")),
        (with("isBase64Encoded", json!(true)), (400, "unreadable-body", "")),
        (with("body", json!(" ".repeat(70_000))), (413, "body-too-large", "")),
        (header("content-type", json!("text/plain")), (415, "content-type", "")),
        (header("content-type", json!("")), (415, "content-type", "")),
        (header("idempotency-key", json!("")), (422, "field", "idempotency-key")),
        (header("idempotency-key", json!("two words")), (422, "field", "idempotency-key")),
        (header("idempotency-key", json!("k\u{e9}y")), (422, "field", "idempotency-key")),
        (header("idempotency-key", json!("k".repeat(129))), (422, "field", "idempotency-key")),
        (with("rawPath", json!("/v1/renders/")), (405, "method", "")),
        (with("rawPath", json!("/v1/renders/a/b")), (404, "not-found", "")),
        (with("rawPath", json!("/v2/renders")), (404, "not-found", "")),
        (with("rawPath", json!("v1/renders")), (404, "not-found", "")),
        (with("rawPath", json!("")), (404, "not-found", "")),
    ];
    for (event, expected) in cases {
        assert_eq!(edge.ask(event).await.problem(), expected);
    }
    for method in ["PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PATCH", ""] {
        for path in ["renders", "uploads", "health", "openapi.json", "renders/a"] {
            let mut event = event("create");
            event["requestContext"]["http"]["method"] = json!(method);
            event["rawPath"] = json!(format!("/v1/{path}"));
            assert_eq!(edge.ask(event).await.problem(), (405, "method", ""), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn nobody_is_asked_for_a_body_before_they_are_known() {
    let edge = Edge::new().await;
    for name in ["create", "create-jwt", "upload", "read", "read-jwt", "list"] {
        let mut stranger = event(name);
        stranger["requestContext"]["authorizer"] = Value::Null;
        stranger["body"] = json!("{");
        assert_eq!(edge.ask(stranger).await.problem(), (401, "no-caller", ""), "{name}");
    }
}

/// Every field that the document knows is taken, any other refused; its values are ours.
#[tokio::test]
async fn the_bodies_are_those_of_the_document() {
    let edge = Edge::new().await;
    let document = Document::read();
    let full = json!({
        "user_id": "alice",
        "person": {"photo": "in/person.jpg", "class_noun": "woman"},
        "garments": [{"photo": "in/shirt.jpg", "category": "shirt", "description": "blue"}],
        "quality": "hd", "aspect_ratio": "3:4", "prompt": "smile", "deadline_seconds": 60,
        "give_up_seconds": 600, "lane": "online", "accept_described": true,
    });
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut number = 0;
    let mut ask = async |body: Value| {
        number += 1;
        let mut event = event("create");
        event["headers"]["idempotency-key"] = json!(format!("key-{number}"));
        event["body"] = json!(body.to_string());
        edge.ask(event).await
    };
    let parts = [("NewRender", ""), ("Person", "/person"), ("Garment", "/garments/0")];
    for (name, at) in parts {
        let schema = document.schema(name);
        assert_eq!(keys(&schema["properties"]), keys(full.pointer(at).unwrap()), "{name}");
        assert_eq!(schema["additionalProperties"], false);
        for field in keys(&schema["properties"]) {
            let mut body = full.clone();
            body.pointer_mut(at).unwrap().as_object_mut().unwrap().remove(&field);
            let needed = schema["required"].as_array().unwrap().contains(&json!(field));
            // A backend names the user; the document cannot know who asks.
            let status = if needed || field == "user_id" { 422 } else { 202 };
            assert_eq!(ask(body).await.status, status, "without {name}.{field}");
        }
        let mut body = full.clone();
        body.pointer_mut(at).unwrap()["colour"] = json!("blue");
        assert_eq!(ask(body).await.status, 422, "{name} with an unknown field");
    }
    for field in ["aspect_ratio", "quality"] {
        let schema = &document.schema("NewRender")["properties"][field];
        let target = schema.get("$ref").map_or(schema, |_| document.schema("Quality"));
        for value in target["enum"].as_array().unwrap() {
            let mut body = full.clone();
            body[field] = value.clone();
            // The sixteenth render of this hour and later ones are of others.
            body["user_id"] = json!(format!("alice-{field}-{value}"));
            assert_eq!(ask(body).await.status, 202, "{field} {value}");
        }
    }
}

/// Values at and around a limit are judged alike by the document and by the code.
#[tokio::test]
async fn the_document_judges_values_as_the_code_does() {
    let edge = Edge::new().await;
    let document = Document::read();
    let schema = document.schema("NewRender");
    let mut number = 0;
    let long = |letter: &str, count: usize| json!(letter.repeat(count));
    let probes: Vec<(&str, Vec<Value>)> = vec![
        ("/deadline_seconds", [0, 1, 604_800, 604_801].map(Value::from).to_vec()),
        ("/give_up_seconds", [0, 691_201].map(Value::from).to_vec()),
        ("/lane", vec![json!("online"), json!("batch"), Value::Null, json!("slow")]),
        ("/accept_described", vec![json!(true), json!("yes"), Value::Null]),
        (
            "/prompt",
            vec![
                long("ü", 2_000),
                long("ü", 2_001),
                json!("a\tb\n"),
                json!("\u{7}"),
                json!("\u{9f}"),
                json!("\u{ffff}"),
                json!("\u{a0}"),
            ],
        ),
        ("/garments/0/description", vec![long("ü", 500), long("ü", 501), json!("\u{fffe}")]),
        (
            "/garments/0/category",
            vec![long("é", 40), long("é", 41), json!("T-shirt"), json!("-"), json!(" ")]
                .into_iter()
                .chain((0..=0xa9_u8).map(|byte| json!(char::from(byte).to_string())))
                .collect(),
        ),
        ("/user_id", ["a", " ", "ü", "\u{7f}", "\u{85}", "\u{ffff}", ""].map(Value::from).to_vec()),
        ("/person/photo", vec![json!("out/a"), json!("in/\u{85}"), json!("in"), long("in/", 400)]),
    ];
    for (at, values) in probes {
        for value in values {
            number += 1;
            let event = with_body(|body| {
                body["user_id"] = json!(format!("user-{number}"));
                body.as_object_mut().unwrap().remove("deadline_seconds");
                let (parent, name) = at.rsplit_once('/').unwrap();
                body.pointer_mut(parent).unwrap()[name] = value.clone();
            });
            let body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
            let documented = document.fault(schema, &body, "$").is_ok();
            let taken = edge.ask(event).await.status == 202;
            assert_eq!(documented, taken, "{at} {value:?}");
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_not_described_well_is_refused() {
    let edge = Edge::new().await;
    let document = Document::read();
    let body = |field: &'static str, value: Value| {
        let event = changed("upload", |body| body[field] = value);
        let body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
        assert!(document.fault(document.schema("NewUpload"), &body, "$").is_err(), "{body}");
        event
    };
    let cases = [
        (body("bytes", json!(0)), "bytes"),
        (body("bytes", json!(7_000_001)), "bytes"),
        (body("bytes", json!(-1)), "bytes"),
        (body("bytes", json!(1.5)), "bytes"),
        (body("bytes", json!("1")), "bytes"),
        (body("content_type", json!("image/gif")), "content_type"),
        (body("content_type", Value::Null), "content_type"),
        (body("name", json!("a.jpg")), "name"),
        (body("user_id", json!(7)), "user_id"),
    ];
    for (event, field) in cases {
        assert_eq!(edge.ask(event).await.problem(), (422, "field", field));
    }
}
