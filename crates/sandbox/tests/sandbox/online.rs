use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{Method, Request};
use serde_json::{Value, json};
use tryon_core::ports::{Body, Clock, TransportError};
use tryon_sandbox::{Latency, Pictures, SandboxConfig};

use crate::support::{Bench, DEVELOPER, MODEL, config, request};

fn vertex(project: &str, location: &str) -> String {
    format!(
        "https://aiplatform.googleapis.com/v1/projects/{project}/locations/{location}/publishers/\
         google/models/{MODEL}:generateContent"
    )
}

#[tokio::test(start_paused = true)]
async fn answers_with_a_picture_and_true_usage() {
    let bench = Bench::new(config()).await;
    let answer = bench.generate(&request(&"x".repeat(801))).await.json();
    let candidate = &answer["candidates"][0];
    assert_eq!(candidate["finishReason"], "STOP");
    let data = candidate["content"]["parts"][0]["inlineData"]["data"].as_str().unwrap();
    assert!(BASE64_STANDARD.decode(data).unwrap().starts_with(&[0xff, 0xd8, 0xff]));
    let usage = &answer["usageMetadata"];
    let count = |name: &str| usage[name].as_u64().unwrap();
    assert_eq!(count("promptTokenCount"), 201 + 2 * 1_120);
    assert_eq!(count("candidatesTokenCount"), 1_120);
    assert!((120..360).contains(&count("thoughtsTokenCount")));
    let sum = count("promptTokenCount") + 1_120 + count("thoughtsTokenCount");
    assert_eq!(count("totalTokenCount"), sum);
    assert_eq!(answer["modelVersion"], MODEL);
    assert!(answer["responseId"].is_string());
}

#[tokio::test(start_paused = true)]
async fn more_thinking_shows_drafts() {
    let bench = Bench::new(config()).await;
    let mut medium = request("a");
    medium["generationConfig"]["thinkingConfig"]["thinkingLevel"] = json!("MEDIUM");
    let parts = bench.generate(&medium).await.json();
    let parts = &parts["candidates"][0]["content"]["parts"];
    assert_eq!(parts[0]["thought"], true);
    assert!(parts[1]["inlineData"].is_object() && parts[1]["thought"].is_null());
}

#[tokio::test(start_paused = true)]
async fn vertex_serves_its_project_globally() {
    let bench = Bench::new(config()).await;
    let mut body = request("a");
    body["labels"] = json!({"attempt": "r-1"});
    for (url, status) in [
        (vertex("shop", "global"), 200),
        (vertex("other", "global"), 403),
        (vertex("shop", "us-central1"), 404),
    ] {
        let answer = bench.try_call(Method::POST, &url, &[], body.to_string()).await.unwrap();
        assert_eq!(answer.status, status, "{url}");
    }
    assert_eq!(bench.sandbox.bill().of("r-1").count(), 1);
}

/// What comes of a request with `value` at `path`.
async fn with(bench: &Bench, path: &str, value: Value) -> (u16, String) {
    let mut body = request("a");
    *body.pointer_mut(path).unwrap() = value;
    let answer = bench.generate(&body).await;
    let error = answer.json()["error"].clone();
    assert_eq!(error["code"], answer.status.as_u16());
    let status = error["status"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), status)
}

#[tokio::test(start_paused = true)]
async fn refuses_what_the_model_does_not_take() {
    let bench = Bench::new(config()).await;
    let invalid = (400, "INVALID_ARGUMENT".to_owned());
    let config = |field: &str, value: Value| {
        let mut config = request("a")["generationConfig"].clone();
        config[field] = value;
        config
    };
    for field in ["seed", "temperature", "topP", "topK", "logprobs", "nonsense"] {
        assert_eq!(with(&bench, "/generationConfig", config(field, json!(1))).await, invalid);
    }
    let image = "/generationConfig/imageConfig";
    for wish in [
        json!({"imageSize": "512"}),
        json!({"imageSize": "1k"}),
        json!({"aspectRatio": "9:21"}),
        json!({"personGeneration": "ALLOW_ALL"}),
    ] {
        assert_eq!(with(&bench, image, wish).await, invalid);
    }
    let level = "/generationConfig/thinkingConfig/thinkingLevel";
    assert_eq!(with(&bench, level, json!("LOW")).await, invalid);
    assert_eq!(with(&bench, "/contents", json!([])).await, invalid);
    assert_eq!(with(&bench, "/contents/0/role", json!("system")).await, invalid);
    let data = "/contents/0/parts/1/inlineData/data";
    assert_eq!(with(&bench, data, json!("not base64!")).await, invalid);
    let mime = "/contents/0/parts/1/inlineData/mimeType";
    assert_eq!(with(&bench, mime, json!("image/gif")).await, invalid);
    let picture = request("a")["contents"][0]["parts"][1].clone();
    assert_eq!(with(&bench, "/contents/0/parts", json!(vec![picture; 15])).await, invalid);
    assert_eq!(bench.sandbox.bill().charges, []);
}

#[tokio::test(start_paused = true)]
async fn pictures_must_be_pictures_where_they_are_drawn() {
    let bench = Bench::new(SandboxConfig { pictures: Pictures::Drawn, ..config() }).await;
    assert_eq!(bench.generate(&request("a")).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn drawn_pictures_have_their_true_size() {
    let bench = Bench::new(SandboxConfig { pictures: Pictures::Drawn, ..config() }).await;
    let mut body = request("a");
    for (part, colour) in [(1, [200, 60, 20]), (2, [20, 60, 200])] {
        let mut jpeg = Vec::new();
        let pixels = colour.repeat(64 * 64);
        let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 90);
        encoder.encode(&pixels, 64, 64, jpeg_encoder::ColorType::Rgb).unwrap();
        body["contents"][0]["parts"][part]["inlineData"]["data"] =
            BASE64_STANDARD.encode(jpeg).into();
    }
    let answer = bench.generate(&body).await.json();
    let part = &answer["candidates"][0]["content"]["parts"][0]["inlineData"];
    let jpeg = BASE64_STANDARD.decode(part["data"].as_str().unwrap()).unwrap();
    let picture = image::load_from_memory(&jpeg).unwrap();
    assert_eq!((picture.width(), picture.height()), (896, 1_200));
}

#[tokio::test(start_paused = true)]
async fn unknown_and_retired_models_are_not_found() {
    let mut retired = config();
    let today = chrono::NaiveDate::from_ymd_opt(2027, 1, 15);
    retired.models[0].retires = today;
    let bench = Bench::new(retired).await;
    for model in [MODEL, "imagen-4.0-generate-001"] {
        let path = format!("/v1beta/models/{model}:generateContent");
        let answer = bench.post(&path, &request("a")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["status"]),
            (404, &json!("NOT_FOUND"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn latency_follows_from_the_request_not_from_its_turn() {
    let seconds = async |order: [&str; 3], size: &str| {
        let bench = Bench::new(SandboxConfig { latency: Latency::Documented, ..config() }).await;
        let mut times = Vec::new();
        for prompt in order {
            let mut body = request(prompt);
            body["generationConfig"]["imageConfig"]["imageSize"] = json!(size);
            let start = bench.clock.now();
            bench.generate(&body).await;
            times.push((prompt.to_owned(), (bench.clock.now() - start).num_milliseconds()));
        }
        times.sort();
        times
    };
    let one_k = seconds(["a", "b", "c"], "1K").await;
    assert_eq!(one_k, seconds(["c", "a", "b"], "1K").await);
    assert!(one_k.iter().all(|(_, ms)| (15_000..60_000).contains(ms)), "{one_k:?}");
    let four_k = seconds(["a", "b", "c"], "4K").await;
    assert!(four_k.iter().all(|(_, ms)| (60_000..180_000).contains(ms)), "{four_k:?}");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_leaves_no_answer_and_a_bill() {
    let latency = Latency::Fixed(Duration::from_secs(30));
    let bench = Bench::new(SandboxConfig { latency, ..config() }).await;
    let url = format!("{DEVELOPER}/v1beta/models/{MODEL}:generateContent");
    let post = Request::post(url).header("x-goog-api-key", "key-1");
    let body = Body::from(request("a").to_string());
    let answer = bench.send(post.body(body).unwrap(), Duration::from_secs(20)).await;
    assert!(matches!(answer, Err(TransportError::NoAnswer(_))));
    let bill = bench.sandbox.bill();
    assert_eq!(bill.charges.len(), 1);
    assert!(!bill.charges[0].answered);
}

#[tokio::test(start_paused = true)]
async fn only_googles_hosts_lead_here() {
    let bench = Bench::new(config()).await;
    let request = Request::get("https://example.com/v1beta/batches").body(Body::empty()).unwrap();
    let answer = bench.send(request, Duration::from_secs(1)).await;
    assert!(matches!(answer, Err(TransportError::NotConnected(_))));
    assert_eq!(bench.get("/v1beta/nothing").await.status, 404);
}
