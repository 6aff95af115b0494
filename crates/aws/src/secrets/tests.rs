use std::time::Duration;

use aws_smithy_http_client::test_util::NeverClient;
use futures_util::future::join_all;
use serde_json::json;
use tracing::instrument::WithSubscriber;

use super::*;
use crate::testing::{Answer, Log, SECRET, Wire, json, played::over, refusal};

fn holds(value: &str) -> Answer {
    json(200, &json!({"Parameter": {"Name": "n", "Type": "SecureString", "Value": value}}))
}

fn source(wire: &Wire) -> ParameterSecrets {
    ParameterSecrets::new(Client::new(&wire.config()), wire.clock(), "test")
}

async fn pass(wire: &Wire, seconds: u64) {
    wire.clock().sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn each_secret_has_its_place() {
    let wire = Wire::new(|sent| holds(&format!("value of {}", sent.json()["Name"])));
    let source = source(&wire);
    for (name, place) in [
        (SecretName::ServiceAccount, "/garmaxai/gemini/test/service-account-json"),
        (SecretName::ApiKey, "/garmaxai/gemini/test/api-key"),
        (SecretName::ReplicateToken, "/garmaxai/replicate/test/api-token"),
        (SecretName::DatabaseUrl, "/garmaxai/gemini/test/database-url"),
    ] {
        let secret = source.secret(name, false).await.unwrap();
        assert_eq!(secret.reveal(), format!("value of \"{place}\""));
        let sent = wire.sent();
        assert_eq!(sent[0].target, "AmazonSSM.GetParameter");
        assert_eq!(sent[0].json(), json!({"Name": place, "WithDecryption": true}));
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_was_stored_from_a_file_is_that_secret() {
    let wire = Wire::of([holds(" AQ.key\r\n")]);
    let secret = source(&wire).secret(SecretName::ApiKey, false).await.unwrap();
    assert_eq!(secret.reveal(), "AQ.key");
}

#[tokio::test(start_paused = true)]
async fn a_crowd_makes_one_call_and_rotation_needs_no_restart() {
    let mut version = 0;
    let wire = Wire::new(move |_| {
        version += 1;
        holds(&format!("v{version}"))
    });
    let source = source(&wire);
    let crowd = async |fresh| {
        let all = join_all((0..100).map(|_| source.secret(SecretName::ApiKey, fresh))).await;
        let first = all[0].clone().unwrap();
        assert!(all.iter().all(|secret| secret.as_ref() == Ok(&first)));
        (first.reveal().to_owned(), wire.sent().len())
    };
    assert_eq!(crowd(false).await, ("v1".to_owned(), 1));
    assert_eq!(crowd(true).await, ("v1".to_owned(), 0), "it was read just now");
    pass(&wire, 3).await;
    assert_eq!(crowd(false).await, ("v1".to_owned(), 0));
    assert_eq!(crowd(true).await, ("v2".to_owned(), 1));
    pass(&wire, 299).await;
    assert_eq!(crowd(false).await, ("v2".to_owned(), 0));
    pass(&wire, 1).await;
    assert_eq!(crowd(false).await, ("v3".to_owned(), 1));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_unavailable_by_name() {
    let wire = Wire::of([refusal(400, "ParameterNotFound"), None, json(200, &json!({}))]);
    let source = source(&wire);
    for text in ["ParameterNotFound (400)", "unreachable", "no value"] {
        let all = join_all((0..9).map(|_| source.secret(SecretName::ApiKey, true))).await;
        let text = format!("GetParameter /garmaxai/gemini/test/api-key: {text}");
        assert!(all.iter().all(|secret| *secret == Err(PortError::Unavailable(text.clone()))));
        assert_eq!(wire.sent().len(), 1, "{text}");
        pass(&wire, 3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_secret_serves_while_the_store_is_away() {
    let wire = Wire::of([holds("old"), None, None, holds("new")]);
    let source = source(&wire);
    let read = async |fresh| {
        source.secret(SecretName::ApiKey, fresh).await.ok().map(|s| s.reveal().to_owned())
    };
    assert_eq!(read(false).await.as_deref(), Some("old"));
    pass(&wire, 300).await;
    assert_eq!(read(false).await.as_deref(), Some("old"));
    pass(&wire, 3).await;
    assert_eq!(read(true).await, None, "but nobody who was refused with it");
    assert_eq!(read(false).await.as_deref(), Some("old"));
    pass(&wire, 3).await;
    assert_eq!(read(false).await.as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn who_has_an_older_secret_waits_two_seconds_at_most() {
    let (clients, wire) = (over(NeverClient::new()), Wire::of([]));
    let clock = wire.clock();
    let source = ParameterSecrets::new(clients.ssm().clone(), clock.clone(), "test");
    let old = Secret::new("old");
    source.api_key.lock().await.secret = Some(old.clone());
    let read = async |fresh| {
        let began = clock.now();
        let secret = source.secret(SecretName::ApiKey, fresh).await;
        (secret.ok(), (clock.now() - began).num_seconds())
    };
    assert_eq!(read(false).await, (Some(old), 2));
    pass(&wire, 3).await;
    assert_eq!(read(true).await, (None, 8), "a refused one would not do");
}

#[tokio::test(start_paused = true)]
async fn nothing_shows_a_secret() {
    let denied = || refusal(400, "AccessDeniedException");
    let wire = Wire::of([denied(), holds(SECRET), denied()]);
    let source = source(&wire);
    // A place that logs for the first time in another test's thread, while this one begins to listen,
    // may stay silent: each has spoken before.
    assert!(source.secret(SecretName::ApiKey, true).await.is_err());
    pass(&wire, 3).await;
    let log = Log::default();
    let work = async {
        let secret = source.secret(SecretName::ApiKey, false).await.unwrap();
        assert_eq!(secret.reveal(), SECRET);
        pass(&wire, 3).await;
        let error = source.secret(SecretName::ApiKey, true).await.unwrap_err();
        format!("{secret:?} {source:?} {error} {error:?}")
    };
    let shown = work.with_subscriber(log.subscriber()).await;
    assert!(!shown.contains(SECRET), "{shown}");
    let log = log.take();
    assert!(log.contains("AccessDeniedException"), "it is logged: {log}");
    let lines: Vec<_> = log.lines().filter(|line| line.contains(SECRET)).collect();
    assert_eq!(lines, Vec::<&str>::new());
}
