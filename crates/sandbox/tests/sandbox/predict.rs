use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;
use serde_json::{Value, json};
use tryon_core::money::Micros;
use tryon_sandbox::{CallKind, Fault, Faults, Rule, SandboxConfig, When};

use crate::support::{Answer, Bench, config, download};

const MODEL: &str = "virtual-try-on-001";

fn url(project: &str, region: &str, model: &str) -> String {
    let host = if region == "global" { String::new() } else { format!("{region}-") };
    format!(
        "https://{host}aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/\
         publishers/google/models/{model}:predict"
    )
}

fn image(bytes: &str, mime: &str) -> Value {
    json!({"image": {"bytesBase64Encoded": BASE64_STANDARD.encode(bytes), "mimeType": mime}})
}

fn request() -> Value {
    json!({
        "instances": [{
            "personImage": image("person", "image/jpeg"),
            "productImages": [image("shirt", "image/png")],
        }],
        "parameters": {"sampleCount": 1, "outputOptions": {"mimeType": "image/jpeg"}},
    })
}

async fn predict(bench: &Bench, body: &Value) -> Answer {
    let url = url("shop", "us-central1", MODEL);
    bench.try_call(Method::POST, &url, &[], body.to_string()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_picture_is_what_is_billed() {
    let bench = Bench::new(config()).await;
    let answer = predict(&bench, &request()).await.json();
    let prediction = &answer["predictions"][0];
    assert_eq!(prediction["mimeType"], "image/jpeg");
    let data = BASE64_STANDARD.decode(prediction["bytesBase64Encoded"].as_str().unwrap());
    assert!(data.unwrap().starts_with(&[0xff, 0xd8, 0xff]));
    assert_eq!(bench.sandbox.bill().total(), Micros::new(60_000));
    assert_eq!(bench.sandbox.calls()[&CallKind::Online], 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_model_does_not_take_is_refused() {
    let bench = Bench::new(config()).await;
    let with = |path: &str, value: Value| {
        let mut request = request();
        *request.pointer_mut(path).unwrap() = value;
        request
    };
    let shirt = || image("shirt", "image/png");
    let product = "/instances/0/productImages";
    for body in [
        with(product, json!([shirt(), shirt()])),
        with(product, json!([])),
        with("/instances/0/personImage", Value::Null),
        with("/instances/0/personImage", image("person", "image/webp")),
        with("/instances", json!([])),
        with("/parameters", json!({"seed": 7})),
        with("/parameters", json!({"sampleCount": 5})),
        with("/parameters", json!({"safetySetting": "BLOCK_NONE"})),
        with("/parameters", json!({"personGeneration": "allow"})),
        with("/parameters", json!({"aspectRatio": "3:4"})),
        with("/parameters", json!({"thinking": "HIGH"})),
        with(
            "/instances/0",
            json!({"prompt": "Smile", "personImage": shirt(), "productImages": [shirt()]}),
        ),
    ] {
        let answer = predict(&bench, &body).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    assert!(bench.sandbox.bill().charges.is_empty());
    let seeded = with("/parameters", json!({"seed": 7, "addWatermark": false}));
    assert_eq!(predict(&bench, &seeded).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn it_runs_in_regions_for_its_project_and_for_tokens() {
    let bench = Bench::new(config()).await;
    let body = request().to_string();
    for (url, status) in [
        (url("shop", "europe-west4", MODEL), 200),
        (url("shop", "global", MODEL), 404),
        (url("other", "us-central1", MODEL), 403),
        (url("shop", "us-central1", "gemini-nano-banana-2.1"), 404),
        (url("shop", "us-central1", "imagen-3.0-generate-002"), 404),
    ] {
        let answer = bench.try_call(Method::POST, &url, &[], body.clone()).await.unwrap();
        assert_eq!(answer.status, status, "{url}");
    }
    let key = [("x-goog-api-key", "key-1")];
    let url = url("shop", "us-central1", MODEL);
    let answer = bench.try_call(Method::POST, &url, &key, body).await.unwrap();
    assert_eq!(answer.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_filtered_picture_is_told_and_a_missing_one_is_not() {
    for (reason, expected) in [("IMAGE_SAFETY", true), ("NO_IMAGE", false)] {
        let rules =
            vec![Rule::new(When::kind(CallKind::Online).model(MODEL), Fault::finish(reason))];
        let bench = Bench::new(SandboxConfig { faults: Faults { rules }, ..config() }).await;
        let answer = predict(&bench, &request()).await.json();
        let told = answer["predictions"][0]["raiFilteredReason"].is_string();
        assert_eq!((told, answer == json!({})), (expected, !expected), "{answer}");
        assert_eq!(bench.sandbox.bill().total(), Micros::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_can_be_asked_after() {
    let bench = Bench::new(config()).await;
    let answer = bench.get("/v1beta/models/gemini-nano-banana-2.1").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["name"]),
        (200, &json!("models/gemini-nano-banana-2.1"))
    );
    for gone in ["imagen-3.0-generate-002", MODEL] {
        assert_eq!(bench.get(&format!("/v1beta/models/{gone}")).await.status, 404);
    }
}

#[tokio::test(start_paused = true)]
async fn a_download_begins_at_any_byte_where_ranges_are_known() {
    for ranges in [true, false] {
        let bench = Bench::new(SandboxConfig { ranges, ..config() }).await;
        let job = bench.job("b", &["r-1", "r-2", "r-3"]).await;
        bench.pass(100).await;
        let whole = bench.get(&download(&job)).await.body;
        let url = format!("{}{}", crate::support::DEVELOPER, download(&job));
        for from in [1, whole.len() / 2, whole.len() - 1] {
            let range = format!("bytes={from}-");
            let part = bench.try_call(Method::GET, &url, &[("range", &range)], "").await.unwrap();
            if ranges {
                assert_eq!((part.status.as_u16(), &part.body[..]), (206, &whole[from..]));
                let last = whole.len() - 1;
                let expected = format!("bytes {from}-{last}/{}", whole.len());
                assert_eq!(part.header("content-range"), expected);
            } else {
                assert_eq!((part.status.as_u16(), &part.body), (200, &whole));
            }
        }
    }
}
