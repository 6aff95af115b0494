use std::{sync::Mutex, time::Duration};

use insta::assert_snapshot;
use serde_json::json;
use tryon_core::ports::{RowAnswer, TransportError};

use super::*;
use crate::{
    google::{
        Auth,
        testing::{FakeObjects, FakeSecrets, answer_json, entry, inputs},
    },
    testing::{Play, Script, order},
};

fn vertex(script: &Arc<Script>, objects: FakeObjects) -> GeminiOnline {
    GeminiOnline::new(script.connection(), Arc::new(objects), Host::Vertex)
}

async fn generate(play: Play) -> Result<Answer, CallError> {
    let script = Script::new([play]);
    vertex(&script, inputs()).generate(&order("r-1"), &entry()).await
}

#[tokio::test(start_paused = true)]
async fn the_call_on_vertex() {
    let script = Script::new([Play::json(200, &answer_json())]);
    let answer = vertex(&script, inputs()).generate(&order("r-1"), &entry()).await.unwrap();
    assert!(matches!(answer.given, RowAnswer::Picture(_)));
    let sent = script.sent();
    assert_eq!(sent[0].timeout, Duration::from_mins(2));
    assert_snapshot!(sent[0].show());
}

#[tokio::test(start_paused = true)]
async fn the_call_on_the_developer_api() {
    let script = Script::new([Play::json(200, &answer_json())]);
    let connection = script.connection_with(FakeSecrets::default(), "http://127.0.0.1:8080");
    let host = Host::Developer(Auth::ApiKey);
    let provider = GeminiOnline::new(connection, Arc::new(inputs()), host);
    let mut order = order("r-1");
    order.request.prompt = "\"}]} {garments}\né".to_owned();
    let mut entry = entry();
    entry.thinking = None;
    provider.generate(&order, &entry).await.unwrap();
    assert!(script.exchanges().is_empty());
    assert_snapshot!(script.sent()[0].show());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_confirmed_is_sent_where_it_is_asked_for() {
    let script = Script::new([Play::json(200, &answer_json()), Play::json(200, &answer_json())]);
    let connection = script.connection().by_user_project(Some("payer".to_owned()));
    let provider = GeminiOnline::new(connection.clone(), Arc::new(inputs()), Host::Vertex)
        .with_image_form(ImageForm::ResponseFormat);
    provider.generate(&order("r-1"), &entry()).await.unwrap();
    // The Developer API knows one form, and an API key has a project of its own.
    let provider = GeminiOnline::new(connection, Arc::new(inputs()), Host::Developer(Auth::ApiKey))
        .with_image_form(ImageForm::ResponseFormat);
    provider.generate(&order("r-1"), &entry()).await.unwrap();
    let config = |n: usize| {
        let body: serde_json::Value = serde_json::from_slice(&script.sent()[n].body).unwrap();
        body["generationConfig"].clone()
    };
    let image =
        json!({"aspectRatio": "ASPECT_RATIO_THREE_BY_FOUR", "imageSize": "IMAGE_SIZE_ONE_K"});
    assert_eq!(config(0)["responseFormat"], json!([{ "image": image }]));
    assert!(config(0).get("imageConfig").is_none());
    assert!(config(1).get("responseFormat").is_none() && config(1).get("imageConfig").is_some());
    let projects: Vec<_> =
        script.sent().iter().map(|s| s.header("x-goog-user-project").map(str::to_owned)).collect();
    assert_eq!(projects, [Some("payer".to_owned()), None]);
}

#[tokio::test(start_paused = true)]
async fn preparing_fetches_the_token() {
    let script = Script::new([Play::json(200, &answer_json())]);
    let provider = vertex(&script, inputs());
    provider.prepare().await.unwrap();
    assert_eq!((script.exchanges().len(), script.sent().len()), (1, 0));
    provider.generate(&order("r-1"), &entry()).await.unwrap();
    assert_eq!((script.exchanges().len(), script.sent().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_renewed_once() {
    let refused = || Play::json(401, &json!({"error": {"status": "UNAUTHENTICATED"}}));
    let script = Script::new([refused(), Play::json(200, &answer_json())]);
    vertex(&script, inputs()).generate(&order("r-1"), &entry()).await.unwrap();
    let sent = script.sent();
    let tokens: Vec<_> = sent.iter().map(|sent| sent.header("authorization")).collect();
    assert_eq!(tokens, [Some("Bearer token-1"), Some("Bearer token-2")]);
    assert_eq!(sent[0].body, sent[1].body);

    let script = Script::new([refused(), refused()]);
    let error = vertex(&script, inputs()).generate(&order("r-1"), &entry()).await.unwrap_err();
    assert!(matches!(error, CallError::Rejected { class: FailClass::Account, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_refused_api_key_is_read_afresh() {
    let bad = json!({"error": {"status": "INVALID_ARGUMENT",
                               "details": [{"reason": "API_KEY_INVALID"}]}});
    let host = Host::Developer(Auth::ApiKey);
    let script = Script::new([Play::json(400, &bad), Play::json(200, &answer_json())]);
    let provider = GeminiOnline::new(script.connection(), Arc::new(inputs()), host);
    provider.generate(&order("r-1"), &entry()).await.unwrap();
    assert_eq!(script.sent()[1].header("x-goog-api-key"), Some("new-key"));

    let same = ("k".to_owned(), "k".to_owned());
    let secrets = FakeSecrets { api_key: Mutex::new(same), ..FakeSecrets::default() };
    let script = Script::new([Play::json(400, &bad)]);
    let provider = GeminiOnline::new(script.connection_with(secrets, ""), Arc::new(inputs()), host);
    let error = provider.generate(&order("r-1"), &entry()).await.unwrap_err();
    assert!(matches!(error, CallError::Rejected { class: FailClass::Account, .. }));
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_carried_out_is_unknown() {
    let silent = TransportError::NoAnswer("reset".to_owned());
    let plays = [
        Play::fails(silent),
        Play::text(500, ""),
        Play::text(504, ""),
        Play::text(200, "<html>"),
        Play::json(200, &answer_json()).cut(),
        Play::json(200, &answer_json()).after(121),
    ];
    for play in plays {
        let shown = format!("{play:?}");
        let error = generate(play).await.unwrap_err();
        assert!(matches!(error, CallError::Unknown(_)), "{shown}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_carried_out_may_be_repeated() {
    let refused = TransportError::NotConnected("refused".to_owned());
    for play in [Play::fails(refused), Play::text(429, ""), Play::text(503, "")] {
        let shown = format!("{play:?}");
        let error = generate(play).await.unwrap_err();
        assert!(matches!(error, CallError::NotCreated { .. }), "{shown}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_half() {
    let cases = [
        (inputs().without("in/b"), true),
        (inputs().with("in/b", b"another"), true),
        (inputs().breaking("in/a"), false),
    ];
    for (objects, unfit) in cases {
        let script = Script::new([]);
        let error = vertex(&script, objects).generate(&order("r-1"), &entry()).await.unwrap_err();
        match error {
            CallError::Unfit(_) => assert!(unfit),
            CallError::NotCreated { .. } => assert!(!unfit),
            error => panic!("{error}"),
        }
        assert!(script.sent().is_empty());
    }
    let mut order = order("r-1");
    order.request.garments[0].photo.key = "throttled".to_owned();
    let script = Script::new([]);
    let error = vertex(&script, inputs()).generate(&order, &entry()).await.unwrap_err();
    assert!(matches!(error, CallError::NotCreated { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn secrets_and_their_words_are_in_no_error() {
    let body = json!({"error": {"status": "PERMISSION_DENIED", "message": "Anna's secret"}});
    let error = generate(Play::json(403, &body)).await.unwrap_err();
    assert_snapshot!(error, @"refused (Account): HTTP 403 PERMISSION_DENIED: check permissions and billing");
}
