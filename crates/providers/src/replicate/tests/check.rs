use super::*;
use crate::{
    findings::{Finding, State},
    replicate::SelfCheck,
};

fn check(script: &Arc<Script>, token: FakeToken) -> SelfCheck {
    SelfCheck::new(script.clone(), Arc::new(token), Arc::new(FakeClock::started()))
}

async fn run(plays: impl IntoIterator<Item = Play>) -> (Vec<Finding>, Arc<Script>) {
    let script = Script::new(plays);
    let models = [model(Step::NanoBanana), model(Step::Sdxl)];
    let check = check(&script, FakeToken("r8_old", "r8_new"));
    (check.run(models.iter()).await, script)
}

fn good(finding: &Finding) -> Option<&str> {
    match &finding.state {
        State::Good(more) => Some(more),
        _ => None,
    }
}

fn fix(finding: &Finding) -> &str {
    match &finding.state {
        State::Missing(fix) => fix,
        other => panic!("{}: {other:?}", finding.what),
    }
}

#[tokio::test(start_paused = true)]
async fn all_is_there_and_nothing_is_made() {
    let account = json!({"type": "organization", "username": "acme"});
    let official = json!({"owner": "google", "name": "nano-banana-pro", "is_official": true});
    let plays = [account, official, json!({"id": "7762"})].map(|json| Play::json(200, &json));
    let (found, script) = run(plays).await;
    let told: Vec<_> = found.iter().map(good).collect();
    let kept = Some("there, kept current by Replicate");
    assert_eq!(told, [Some("of acme"), None, kept, Some("its version is there")]);
    assert!(matches!(found[1].state, State::Skipped(_)), "nobody tells the credit");
    let sent = script.sent();
    assert!(sent.iter().all(|sent| sent.method == "GET" && sent.body.is_empty()));
    let api = "https://api.replicate.com/v1";
    let version = model(Step::Sdxl).version.unwrap();
    let expected = [
        format!("{api}/account"),
        format!("{api}/models/google/nano-banana-pro"),
        format!("{api}/models/stability-ai/sdxl/versions/{version}"),
    ];
    assert_eq!(sent.iter().map(|sent| sent.uri.to_string()).collect::<Vec<_>>(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_said_with_the_fix() {
    let gone = || Play::json(404, &json!({"detail": "Secret prose.", "status": 404}));
    let (found, _) = run([Play::text(200, ""), gone(), gone()]).await;
    assert_eq!(good(&found[0]), Some("accepted"));
    assert!(fix(&found[2]).contains("no such model") && !fix(&found[2]).contains("prose"));
    assert!(fix(&found[3]).contains("no such version"));

    let community = Play::json(200, &json!({"is_official": false}));
    let (found, _) = run([Play::text(200, "{}"), community, Play::text(503, "")]).await;
    assert!(fix(&found[2]).contains("give its version"), "{found:?}");
    // That may pass by itself.
    assert!(matches!(&found[3].state, State::Unanswered(why) if why.contains("503")), "{found:?}");

    let refused = || Play::json(401, &json!({"title": "Unauthenticated", "status": 401}));
    let (found, script) = run([refused(), refused()]).await;
    assert!(fix(&found[0]).contains("the token is refused"));
    assert!(matches!(found[2].state, State::Skipped(_)));
    assert_eq!(script.sent().len(), 2, "no model is asked after");

    let script = Script::new([]);
    let found = check(&script, FakeToken("none", "none")).credentials().await;
    assert!(fix(&found).contains("no such parameter"), "{found:?}");
}
