//! The client on the wire.

mod check;
mod create;
mod pictures;
mod schemas;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tryon_core::{
    catalogue::{Catalogue, PredictionModel},
    chain::Step,
    ids::{AttemptId, JobName},
    messages::RenderOrder,
    outcome::FailClass,
    picture::Mime,
    polling::Allowance,
    ports::{
        CallError, Links, PortError, PredictionPhase, Predictions, Secret, SecretName, Secrets,
        TransportError, UploadLink,
    },
};

use super::ReplicateClient;
use crate::testing::{FakeClock, Play, Script, Sent, now, picture};

/// What the cache holds, and what a fresh read finds.
#[derive(Debug)]
struct FakeToken(&'static str, &'static str);

#[async_trait]
impl Secrets for FakeToken {
    async fn secret(&self, name: SecretName, fresh: bool) -> Result<Secret, PortError> {
        assert_eq!(name, SecretName::ReplicateToken);
        match if fresh { self.1 } else { self.0 } {
            "away" => Err(PortError::Unavailable("throttled".to_owned())),
            "none" => Err(PortError::Broken("no such parameter".to_owned())),
            token => Ok(Secret::new(token)),
        }
    }
}

/// Addresses that show everything they were signed with.
#[derive(Debug)]
struct FakeLinks;

#[async_trait]
impl Links for FakeLinks {
    async fn read(
        &self,
        key: &str,
        expires: DateTime<Utc>,
        attempt: Option<&AttemptId>,
    ) -> Result<String, PortError> {
        match key {
            "away" => Err(PortError::Unavailable("throttled".to_owned())),
            "broken" => Err(PortError::Broken("no key to sign with".to_owned())),
            _ => {
                let attempt = attempt.map(|attempt| attempt.as_str().replace('/', "%2F"));
                let expires = expires.format("%FT%TZ");
                Ok(format!(
                    "https://store.test/{key}?until={expires}&x-attempt={}&sig=s",
                    attempt.unwrap()
                ))
            }
        }
    }

    async fn write(
        &self,
        _key: &str,
        _mime: Mime,
        _bytes: u64,
        _expires: DateTime<Utc>,
    ) -> Result<UploadLink, PortError> {
        Err(PortError::Broken("read only".to_owned()))
    }
}

fn client_with(script: &Arc<Script>, token: FakeToken) -> ReplicateClient {
    let clock = Arc::new(FakeClock::started());
    ReplicateClient::new(script.clone(), Arc::new(token), Arc::new(FakeLinks), clock)
}

fn client(script: &Arc<Script>) -> ReplicateClient {
    client_with(script, FakeToken("r8_old", "r8_new"))
}

fn attempt() -> AttemptId {
    AttemptId::from("r-1/sdxl/1")
}

fn job() -> JobName {
    JobName::from("p1")
}

fn model(step: Step) -> PredictionModel {
    Catalogue::built_in().unwrap().prediction(step).unwrap().clone()
}

fn order(step: Step) -> RenderOrder {
    let interim = (step == Step::Upscale).then(|| picture("out/i.jpg", 9));
    RenderOrder { step, interim, ..crate::testing::order("r-1") }
}

async fn create(client: &ReplicateClient, step: Step) -> Result<JobName, CallError> {
    let time = Duration::from_millis(90_999);
    client.create(&attempt(), &order(step), &model(step), time).await
}

fn created() -> Play {
    Play::json(201, &json!({"id": "p1", "status": "starting", "version": "hidden"}))
}

fn is_class(error: &CallError, expected: FailClass) -> bool {
    matches!(error, CallError::Rejected { class, .. } if *class == expected)
}

#[tokio::test(start_paused = true)]
async fn asks_and_cancels() {
    let script = Script::new([
        Play::json(200, &json!({"id": "p1", "status": "processing", "input": {"prompt": "x"}})),
        Play::json(200, &json!({"id": "p1", "status": "canceled", "logs": null})),
        Play::text(202, ""),
    ]);
    let client = client(&script);
    let status = client.status(&job()).await.unwrap();
    assert_eq!((status.phase, status.run), (PredictionPhase::Running, None));
    client.cancel(&job()).await.unwrap();
    client.cancel(&job()).await.unwrap();
    let sent = script.sent();
    assert!(sent.iter().all(|sent| sent.timeout == Duration::from_secs(15)));
    insta::assert_snapshot!(sent[..2].iter().map(Sent::show).collect::<Vec<_>>().join("\n\n"), @r"
    GET https://api.replicate.com/v1/predictions/p1
    authorization: Bearer r8_old

    POST https://api.replicate.com/v1/predictions/p1/cancel
    authorization: Bearer r8_old
    ");
}

#[tokio::test(start_paused = true)]
async fn an_answer_tells_how_many_more_are_given() {
    let of = async |headers: &[(&'static str, &str)]| {
        let running = Play::json(200, &json!({"id": "p1", "status": "processing"}));
        let play = headers.iter().fold(running, |play, (name, value)| play.header(name, value));
        client(&Script::new([play])).status(&job()).await.unwrap().allowance
    };
    let some = |calls, reset| Some(Allowance { calls, reset: Duration::from_secs(reset) });
    let (left, reset) = ("ratelimit-remaining", "ratelimit-reset");
    assert_eq!(of(&[(left, "2999"), (reset, "1")]).await, some(2_999, 1));
    assert_eq!(of(&[(left, "0"), (reset, "soon")]).await, some(0, 0));
    assert_eq!(of(&[(left, "-1"), (reset, "1")]).await, None);
    assert_eq!(of(&[(reset, "1")]).await, None);
}

#[tokio::test(start_paused = true)]
async fn asking_may_be_repeated_and_a_lost_prediction_is_missing() {
    let silent = || Play::fails(TransportError::NoAnswer("reset".to_owned()));
    let plays = [
        silent(),
        Play::text(503, ""),
        Play::text(429, ""),
        Play::text(200, "<html>"),
        Play::json(200, &json!({"id": "p1"})),
        created().cut(),
        created().after(16),
    ];
    for play in plays {
        let shown = format!("{play:?}");
        let error = client(&Script::new([play])).status(&job()).await.unwrap_err();
        assert!(matches!(error, CallError::NotCreated { .. }), "{shown}: {error}");
    }
    let gone = json!({"detail": "The requested resource could not be found.", "status": 404});
    let error = client(&Script::new([Play::json(404, &gone)])).status(&job()).await.unwrap_err();
    assert!(is_class(&error, FailClass::Missing), "{error}");
    // No id of theirs is let into a path as it is.
    let error = client(&Script::new([])).status(&JobName::from("../x")).await.unwrap_err();
    assert!(is_class(&error, FailClass::Invalid), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_read_afresh_once() {
    let refused = || Play::json(401, &json!({"title": "Unauthenticated", "status": 401}));
    let script = Script::new([refused(), created()]);
    create(&client(&script), Step::Sdxl).await.unwrap();
    let sent = script.sent();
    let tokens: Vec<_> = sent.iter().map(|sent| sent.header("authorization")).collect();
    assert_eq!(tokens, [Some("Bearer r8_old"), Some("Bearer r8_new")]);
    assert_eq!(sent[0].body, sent[1].body);
    assert!(sent.iter().all(|sent| !format!("{sent:?}").contains("r8_")));

    let both = [Script::new([refused(), refused()]), Script::new([refused()])];
    for (script, fresh) in both.iter().zip(["r8_new", "r8_old"]) {
        let client = client_with(script, FakeToken("r8_old", fresh));
        let error = create(&client, Step::Sdxl).await.unwrap_err();
        assert!(is_class(&error, FailClass::Account), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_without_a_token() {
    let of = async |token| {
        let client = client_with(&Script::new([]), FakeToken(token, token));
        create(&client, Step::Sdxl).await.unwrap_err()
    };
    assert!(matches!(of("away").await, CallError::NotCreated { .. }));
    assert!(is_class(&of("none").await, FailClass::Setup));
    let error = of("r8_\u{7f}").await;
    assert!(is_class(&error, FailClass::Setup));
    assert!(!format!("{error} {error:?}").contains("r8_"));
}

#[tokio::test(start_paused = true)]
async fn finds_across_pages_what_a_lost_create_made() {
    let made = |id: &str, seconds: u32, attempt: &str| {
        json!({"id": id, "created_at": format!("2026-11-23T10:00:{seconds:02}.469Z"),
               "input": {"image": format!("https://store.test/in/p?x-attempt={attempt}&sig=s")}})
    };
    let next = "http://api.replicate.com/v1/predictions?cursor=c2";
    let script = Script::new([
        Play::json(
            200,
            &json!({"previous": null, "next": next, "results": [
            made("p3", 30, "r-1%2Fsdxl%2F10"), made("p2", 20, "r-1%2Fsdxl%2F1")]}),
        ),
        Play::json(
            200,
            &json!({"next": next, "results": [
            made("p1", 10, "r-1%2Fsdxl%2F1"), made("p0", 1, "r-1%2Fsdxl%2F1")]}),
        ),
    ]);
    let since = now() + TimeDelta::seconds(5);
    let found = client(&script).find(&attempt(), since).await.unwrap();
    assert_eq!(found, Some(job()));
    let asked: Vec<_> = script.sent().iter().map(|sent| sent.uri.to_string()).collect();
    let list = "https://api.replicate.com/v1/predictions";
    let first = format!(
        "{list}?created_after=2026-11-23T10%3A00%3A05.000Z\
         &created_before=2026-11-23T10%3A30%3A05.000Z"
    );
    assert_eq!(asked, [first, format!("{list}?cursor=c2")]);
}

#[tokio::test(start_paused = true)]
async fn a_search_has_an_end() {
    let page = |next: &str| Play::json(200, &json!({"next": next, "results": []}));
    let ours = "https://api.replicate.com/v1/predictions?cursor=again";
    let script = Script::new((0..60).map(|_| page(ours)));
    assert_eq!(client(&script).find(&attempt(), now()).await.unwrap(), None);
    assert_eq!(script.sent().len(), 50);

    let script = Script::new([page("https://evil.test/v1/predictions?cursor=a")]);
    assert_eq!(client(&script).find(&attempt(), now()).await.unwrap(), None);
    assert_eq!(script.sent().len(), 1);

    // However slow its pages are.
    let script = Script::new((0..60).map(|_| page(ours).after(4)));
    let slow = client(&script).find(&attempt(), now()).await;
    assert!(matches!(slow, Err(CallError::NotCreated { .. })));
    assert_eq!(script.sent().len(), 4);

    let error = client(&Script::new([Play::text(200, "{}")])).find(&attempt(), now()).await;
    assert!(matches!(error, Err(CallError::NotCreated { .. })));
}

fn body(sent: &Sent) -> Value {
    serde_json::from_slice(&sent.body).unwrap()
}
