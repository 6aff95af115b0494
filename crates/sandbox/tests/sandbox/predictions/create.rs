use http::Method;
use serde_json::{Value, json};

use super::{API, Desk, NANO_BANANA, PHOTOMAKER, SDXL, UPSCALE, config, dress, face};
use crate::support::{Bench, MODEL, request};

#[tokio::test(start_paused = true)]
async fn callers_show_the_token() {
    let desk = Desk::new(config());
    for shown in ["", "Bearer wrong", "r8_sandbox", "Basic r8_sandbox"] {
        let headers = [("authorization", shown)];
        let answer = desk.create_with(&headers, NANO_BANANA, dress("a")).await;
        assert_eq!(answer.status, 401, "{shown}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let detail = "You did not pass a valid authentication token";
        let body = json!({"title": "Unauthenticated", "detail": detail, "status": 401});
        assert_eq!(String::from_utf8(answer.body).unwrap(), format!("{body}\n"));
    }
    for shown in ["Bearer r8_sandbox", "Token r8_sandbox"] {
        let headers = [("authorization", shown)];
        assert_eq!(desk.create_with(&headers, NANO_BANANA, dress("a")).await.status, 201);
    }
    let url = format!("{API}/v1/predictions");
    let listed =
        desk.try_call(Method::GET, &url, &[("authorization", "")], String::new()).await.unwrap();
    assert_eq!(listed.status, 401);
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_is_a_prediction_that_starts() {
    let desk = Desk::new(config());
    let answer = desk.create(NANO_BANANA, dress("a")).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("ratelimit-remaining"), "599");
    let object = answer.json();
    let id = object["id"].as_str().unwrap();
    assert_eq!((&object["status"], &object["error"]), (&json!("starting"), &Value::Null));
    assert_eq!((&object["model"], &object["version"]), (&json!(NANO_BANANA), &json!("hidden")));
    assert_eq!(object["input"], dress("a"));
    assert_eq!(object["urls"]["get"], format!("{API}/v1/predictions/{id}"));
    assert_eq!(object["urls"]["cancel"], format!("{API}/v1/predictions/{id}/cancel"));
    assert!(object["completed_at"].is_null() && object["output"].is_null());
    let url = object["urls"]["get"].as_str().unwrap();
    assert_eq!(desk.try_get(url).await.unwrap().header("ratelimit-remaining"), "2999");
    // The same order again is another prediction.
    assert_ne!(desk.made(NANO_BANANA, dress("a")).await, id);
}

#[tokio::test(start_paused = true)]
async fn models_are_named_by_version_or_if_official_by_name() {
    let desk = Desk::new(config());
    let old = "39ed52f2a78e934b3ba6e2a89f5b1c712de7dfea535525255b1aa35c5565e08b";
    for (version, input, shown) in [
        (PHOTOMAKER, face("a woman img"), PHOTOMAKER),
        (&*format!("tencentarc/photomaker:{PHOTOMAKER}"), face("a man img"), PHOTOMAKER),
        (old, json!({}), SDXL),
        (UPSCALE, json!({"image": "https://h/a"}), UPSCALE),
        ("nightmareai/real-esrgan", json!({"image": "https://h/a"}), "hidden"),
    ] {
        let answer = desk.create(version, input).await;
        assert_eq!(answer.status, 201, "{version}: {}", answer.json());
        assert_eq!(answer.json()["version"], shown);
    }
    for version in [
        "tencentarc/photomaker",
        "stability-ai/sdxl:latest",
        "google/nano-banana-pro:latest",
        &"ab".repeat(32),
    ] {
        let answer = desk.create(version, face("a woman img")).await;
        assert_eq!(answer.status, 422, "{version}");
        assert_eq!(answer.json()["title"], "Invalid version or not permitted");
        assert!(answer.json()["invalid_fields"].is_null());
    }
}

#[tokio::test(start_paused = true)]
async fn official_models_have_a_path_of_their_own() {
    let desk = Desk::new(config());
    let path = |model: &str| format!("/v1/models/{model}/predictions");
    let body = json!({"input": dress("a")});
    let answer = desk.post(&path(NANO_BANANA), &[], &body).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["version"]), (201, &json!("hidden")));
    let community = json!({"input": face("a woman img")});
    for model in ["tencentarc/photomaker", "nobody/nothing"] {
        let answer = desk.post(&path(model), &[], &community).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json()["detail"], "The requested resource could not be found.");
    }
    let versioned = json!({"version": NANO_BANANA, "input": dress("a")});
    assert_eq!(desk.post(&path(NANO_BANANA), &[], &versioned).await.status, 422);
    // Google's path of the same beginning still leads to Google.
    let google = Bench::new(config()).await;
    let online = format!("/v1/models/{MODEL}:generateContent");
    assert_eq!(google.post(&online, &request("a")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn unknown_keys_are_refused_above_and_dropped_below() {
    let desk = Desk::new(config());
    let refused = async |body: Value| {
        let answer = desk.post("/v1/predictions", &[], &body).await;
        assert_eq!(answer.status, 422, "{body}");
        answer.json()["invalid_fields"].clone()
    };
    let field = |kind: &str, field: &str, description: &str| json!([{"type": kind, "field": field, "description": description}]);
    let answer = refused(json!({"version": NANO_BANANA, "input": dress("a"), "model": "x"})).await;
    let words = "Additional property model is not allowed";
    assert_eq!(answer, field("additional_property_not_allowed", "", words));
    let answer = refused(json!({"input": dress("a")})).await;
    assert_eq!(answer, field("required", "", "version is required"));
    let answer = refused(json!({"version": NANO_BANANA})).await;
    assert_eq!(answer, field("required", "", "input is required"));
    let url = format!("{API}/v1/predictions");
    let broken = desk.try_call(Method::POST, &url, &[], "{".to_owned()).await.unwrap();
    assert_eq!(broken.status, 400);

    let webhook = json!({"version": NANO_BANANA, "input": dress("a"), "webhook": "https://h/w",
                         "webhook_events_filter": ["completed"]});
    assert_eq!(desk.post("/v1/predictions", &[], &webhook).await.status, 201);
    let mut misspelt = dress("a");
    misspelt["image_inputs"] = json!(["https://h/b"]);
    misspelt["width"] = json!("no number");
    let answer = desk.create(NANO_BANANA, misspelt).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["input"]), (201, &dress("a")));
}

#[tokio::test(start_paused = true)]
async fn inputs_are_checked_against_the_schema() {
    let desk = Desk::new(config());
    let answer = desk.create(NANO_BANANA, json!({"resolution": "8K"})).await;
    let expected = json!({
        "title": "Input validation failed",
        "detail": "- input: prompt is required\n- input.resolution: resolution must be one of the \
                   following: \"1K\", \"2K\", \"4K\"\n",
        "status": 422,
        "invalid_fields": [
            {"type": "required", "field": "input", "description": "prompt is required"},
            {"type": "enum", "field": "input.resolution",
             "description": "resolution must be one of the following: \"1K\", \"2K\", \"4K\""},
        ],
    });
    assert_eq!((answer.status.as_u16(), answer.json()), (422, expected));
    for (version, input, kind) in [
        (SDXL, json!({"num_inference_steps": 501}), "number_lte"),
        (SDXL, json!({"prompt_strength": -0.1}), "number_gte"),
        (SDXL, json!({"apply_watermark": "no"}), "invalid_type"),
        (PHOTOMAKER, json!({"input_image": "person.jpg"}), "format"),
        (UPSCALE, json!({}), "required"),
    ] {
        let answer = desk.create(version, input.clone()).await;
        assert_eq!(answer.status, 422, "{input}");
        assert_eq!(answer.json()["invalid_fields"][0]["type"], kind, "{input}");
    }
    assert_eq!(desk.bench.sandbox.bill().charges, []);
}
