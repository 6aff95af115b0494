use std::sync::Mutex;

use futures_util::future::join_all;
use serde_json::json;
use tryon_core::ports::CallError;

use super::*;
use crate::{
    google::{
        Connection,
        testing::{FakeSecrets, key_json},
    },
    testing::{Play, Script},
};

fn refusal(description: &str) -> Play {
    Play::json(400, &json!({"error": "invalid_grant", "error_description": description}))
}

async fn pass(connection: &Connection, seconds: u64) {
    connection.clock.sleep(Duration::from_secs(seconds)).await;
}

async fn access(connection: &Connection) -> String {
    connection.tokens.token().await.unwrap().access().reveal().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_exchange_on_the_wire() {
    let script = Script::of_tokens([]);
    let token = script.connection().tokens.token().await.unwrap();
    assert_eq!((token.access().reveal(), token.project()), ("token-1", "sample"));
    assert!(!format!("{token:?}").contains("token-1"));
    let sent = &script.exchanges()[0];
    assert_eq!(sent.uri, "https://oauth2.googleapis.com/token");
    assert_eq!(sent.header("content-type"), Some(FORM));
    let body = std::str::from_utf8(&sent.body).unwrap();
    let assertion = body.strip_prefix(GRANT).unwrap();
    let payload = jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(assertion).unwrap();
    let scopes = "https://www.googleapis.com/auth/cloud-platform \
                  https://www.googleapis.com/auth/generative-language.retriever";
    assert_eq!(payload.claims["scope"], scopes);
}

#[tokio::test(start_paused = true)]
async fn renewed_early_and_not_before() {
    let script = Script::of_tokens([]);
    let connection = script.connection();
    assert_eq!(access(&connection).await, "token-1");
    pass(&connection, 3_599 - 240).await;
    assert_eq!(access(&connection).await, "token-1");
    pass(&connection, 1).await;
    assert_eq!(access(&connection).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn many_callers_share_one_exchange() {
    let granted = json!({"access_token": "one", "expires_in": "3599"});
    let script = Script::of_tokens([Play::json(200, &granted).after(2)]);
    let connection = script.connection();
    let all = join_all((0..100).map(|_| access(&connection))).await;
    assert!(all.iter().all(|token| token == "one"));
    assert_eq!(script.exchanges().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_callers_share_one_failure() {
    let script = Script::of_tokens([refusal("Invalid JWT Signature.").after(2)]);
    let connection = script.connection();
    let all = join_all((0..100).map(|_| connection.tokens.token())).await;
    assert!(all.iter().all(|result| matches!(result, Err(TokenError::WrongKey))));
    assert_eq!(script.exchanges().len(), 1);
    // Who comes later tries anew.
    assert_eq!(access(&connection).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn tries_again_where_that_may_help() {
    let plays =
        [Play::text(503, ""), Play::fails(TransportError::NotConnected("refused".to_owned()))];
    let script = Script::of_tokens(plays);
    let connection = script.connection();
    let start = connection.clock.now();
    assert_eq!(access(&connection).await, "token-3");
    assert_eq!(connection.clock.now() - start, TimeDelta::seconds(3));
}

#[tokio::test(start_paused = true)]
async fn gives_up_after_three_tries() {
    let script = Script::of_tokens((0..3).map(|_| Play::text(500, "")));
    let error = script.connection().tokens.token().await.unwrap_err();
    assert_eq!(error, TokenError::Unavailable("HTTP 500 no error word".to_owned()));
    assert!(matches!(CallError::from(error), CallError::NotCreated { .. }));
}

#[tokio::test(start_paused = true)]
async fn an_old_token_bridges_an_outage() {
    let script = Script::of_tokens([]);
    let connection = script.connection();
    assert_eq!(access(&connection).await, "token-1");
    pass(&connection, 3_599 - 60).await;
    let outage = (0..6).map(|_| Play::text(503, ""));
    script.token_plays(outage);
    assert_eq!(access(&connection).await, "token-1");
    pass(&connection, 50).await;
    assert!(connection.tokens.token().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_read_afresh() {
    let mut old = key_json();
    old["client_email"] = json!("gone@sample.iam.gserviceaccount.com");
    let secrets = FakeSecrets {
        key: Mutex::new((old.to_string(), key_json().to_string())),
        ..FakeSecrets::default()
    };
    let script = Script::of_tokens([refusal("Invalid grant: account not found")]);
    let connection = script.connection_with(secrets, "");
    assert_eq!(access(&connection).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn an_unusable_key_is_read_afresh() {
    let secrets = FakeSecrets {
        key: Mutex::new(("{}".to_owned(), key_json().to_string())),
        ..FakeSecrets::default()
    };
    let connection = Script::of_tokens([]).connection_with(secrets, "");
    assert_eq!(access(&connection).await, "token-1");
}

#[tokio::test(start_paused = true)]
async fn the_same_key_is_not_tried_twice() {
    let script = Script::of_tokens([refusal("Invalid JWT Signature.")]);
    let error = script.connection().tokens.token().await.unwrap_err();
    assert_eq!((error, script.exchanges().len()), (TokenError::WrongKey, 1));
}

#[tokio::test(start_paused = true)]
async fn only_the_refused_token_is_dropped() {
    let script = Script::of_tokens([]);
    let connection = script.connection();
    let first = connection.tokens.token().await.unwrap();
    connection.tokens.invalidate(&first).await;
    assert_eq!(access(&connection).await, "token-2");
    connection.tokens.invalidate(&first).await;
    assert_eq!(access(&connection).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn behind_a_refused_token_the_key_is_read_afresh() {
    let mut new = key_json();
    new["project_id"] = json!("another");
    let secrets = FakeSecrets {
        key: Mutex::new((key_json().to_string(), new.to_string())),
        ..FakeSecrets::default()
    };
    let connection = Script::of_tokens([]).connection_with(secrets, "");
    let first = connection.tokens.token().await.unwrap();
    assert_eq!(first.project(), "sample");
    connection.tokens.invalidate(&first).await;
    assert_eq!(connection.tokens.token().await.unwrap().project(), "another");
}

#[tokio::test(start_paused = true)]
async fn the_skew_is_measured_by_the_answer() {
    let timeframe = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a \
                     reasonable timeframe. Check your iat and exp values in the JWT claim.";
    // The machine's clock shows ten.
    let date = "Mon, 23 Nov 2026 08:58:20 GMT";
    for (play, ahead) in
        [(refusal(timeframe).header("date", date), Some(3_700)), (refusal(timeframe), None)]
    {
        let script = Script::of_tokens([play]);
        let error = script.connection().tokens.token().await.unwrap_err();
        assert_eq!(error, TokenError::ClockSkew(ahead));
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_token_is_none() {
    let empty = || Play::json(200, &json!({"access_token": "", "expires_in": 3_599}));
    let script = Script::of_tokens([empty(), empty(), empty()]);
    let error = script.connection().tokens.token().await.unwrap_err();
    assert!(matches!(error, TokenError::Unavailable(_)), "{error}");
}
