use std::time::Duration;

use http::{Method, Request};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tryon_core::ports::Body;
use tryon_sandbox::SandboxConfig;

use crate::support::{Bench, DEVELOPER, MODEL, PATIENCE, config, request};

fn generate_url() -> String {
    format!("{DEVELOPER}/v1beta/models/{MODEL}:generateContent")
}

async fn refusal(change: impl FnOnce(&mut Value)) -> (String, String) {
    let bench = Bench::without_token(config());
    let answer = bench.exchange(&bench.assertion(change)).await;
    assert_eq!(answer.status, 400);
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("error"), text("error_description"))
}

#[tokio::test(start_paused = true)]
async fn a_good_assertion_gives_a_token_that_expires() {
    let bench = Bench::new(config()).await;
    let answer = bench.exchange(&bench.assertion(|_| {})).await.json();
    assert_eq!((&answer["expires_in"], &answer["token_type"]), (&json!(3_599), &json!("Bearer")));
    assert_eq!(bench.generate(&request("a")).await.status, 200);
    bench.pass(3_600).await;
    let answer = bench.generate(&request("a")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["error"]["status"].as_str()),
        (401, Some("UNAUTHENTICATED"))
    );
}

#[tokio::test(start_paused = true)]
async fn the_life_of_a_token_is_settable() {
    let token_life = Duration::from_secs(10);
    let bench = Bench::new(SandboxConfig { token_life, ..config() }).await;
    bench.pass(11).await;
    assert_eq!(bench.generate(&request("a")).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn the_five_refusals() {
    let time = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable \
                timeframe. Check your iat and exp values in the JWT claim.";
    let grant = |text: &str| ("invalid_grant".to_owned(), text.to_owned());
    let shift = |by: i64| {
        move |claims: &mut Value| {
            for name in ["iat", "exp"] {
                claims[name] = json!(claims[name].as_i64().unwrap() + by);
            }
        }
    };
    assert_eq!(refusal(shift(-7_200)).await, grant(time), "a clock that is slow");
    assert_eq!(refusal(shift(300)).await, grant(time), "a clock that is fast");
    let long = |claims: &mut Value| claims["exp"] = json!(claims["iat"].as_i64().unwrap() + 3_601);
    assert_eq!(refusal(long).await, grant(time));
    let aud = |claims: &mut Value| claims["aud"] = json!("https://example.com/token");
    assert_eq!(refusal(aud).await, grant("Invalid JWT: Failed audience check."));
    let iss = |claims: &mut Value| claims["iss"] = json!("other@shop.iam.gserviceaccount.com");
    assert_eq!(refusal(iss).await, grant("Invalid grant: account not found"));
    let scope = |claims: &mut Value| claims["scope"] = json!("everything");
    let text = "Invalid OAuth scope or ID token audience provided.";
    assert_eq!(refusal(scope).await, ("invalid_scope".to_owned(), text.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_is_no_signature() {
    let bench = Bench::without_token(config());
    let good = bench.assertion(|_| {});
    let (message, signature) = good.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{message}.{flipped}{}", &signature[1..]);
    let answer = bench.exchange(&forged).await.json();
    assert_eq!(answer["error_description"], "Invalid JWT Signature.");

    // Signed with what is public, under the name of another algorithm.
    let claims =
        json!({"iss": "tryon@shop.iam.gserviceaccount.com", "aud": "", "iat": 0, "exp": 1});
    let header = Header::new(Algorithm::HS256);
    let forged = encode(&header, &claims, &EncodingKey::from_secret(b"public")).unwrap();
    let answer = bench.exchange(&forged).await.json();
    assert_eq!(answer["error_description"], "Invalid JWT Signature.");
}

#[tokio::test(start_paused = true)]
async fn a_scope_reaches_its_product_only() {
    let bench = Bench::without_token(config());
    let narrow = "https://www.googleapis.com/auth/generative-language";
    let token = bench.exchange(&bench.assertion(|claims| claims["scope"] = json!(narrow))).await;
    let bearer = format!("Bearer {}", token.json()["access_token"].as_str().unwrap());
    let vertex = format!(
        "https://aiplatform.googleapis.com/v1/projects/shop/locations/global/publishers/google/\
         models/{MODEL}:generateContent"
    );
    for (url, status) in [(generate_url(), 200), (vertex, 403)] {
        let post = Request::post(url).header("authorization", &bearer);
        let answer =
            bench.send(post.body(request("a").to_string().into()).unwrap(), PATIENCE).await;
        assert_eq!(answer.unwrap().status, status);
    }
}

#[tokio::test(start_paused = true)]
async fn api_keys_open_the_developer_api() {
    let bench = Bench::without_token(config());
    let body = || Body::from(request("a").to_string());
    let with = |key: &'static str| [("x-goog-api-key", key)];
    let good = bench.try_call(Method::POST, &generate_url(), &with("key-1"), body()).await.unwrap();
    assert_eq!(good.status, 200);
    let bad = bench.try_call(Method::POST, &generate_url(), &with("key-2"), body()).await.unwrap();
    let error = &bad.json()["error"];
    assert_eq!((&error["code"], &error["status"]), (&json!(400), &json!("INVALID_ARGUMENT")));
    assert_eq!(error["details"][0]["reason"], "API_KEY_INVALID");
    let none = Request::post(generate_url()).body(body()).unwrap();
    assert_eq!(bench.send(none, PATIENCE).await.unwrap().status, 403);
}
