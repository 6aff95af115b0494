//! No key, token or assertion in anything that is said. Alone in its process: a place that logs for the
//! first time in another test's thread, while a subscriber is being set, may stay silent for good.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::{fmt::Write, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tryon_core::{
    chain::Step,
    contract::written::Written,
    memory::TokioClock,
    picture::Mime,
    ports::{Clock, Objects, QueueName, StatusName},
    routing::Percent,
    settings::Settings,
};
use tryon_local::{
    arrivals::{CANNED_PHOTO, GARMENTS, PERSON},
    google::Google,
    world::{World, WorldConfig},
};
use tryon_providers::google::{Auth, Host};
use tryon_sandbox::{CallKind, Fault, Faults, Latency, Nth, Pictures, Rule, SandboxConfig, When};

const API_KEY: &str = "sandbox-api-key-0123456789";

async fn world(rules: Vec<Rule>, google: Google, sandbox: SandboxConfig) -> World {
    let start = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000);
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(start));
    let config = WorldConfig {
        settings: Settings {
            enable_gemini_batch: true,
            traffic_percent: Percent::FULL,
            ..Settings::default()
        },
        sandbox: SandboxConfig {
            pictures: Pictures::Canned { bytes: 1_000 },
            latency: Latency::Fixed(Duration::from_secs(15)),
            faults: Faults { rules },
            ..sandbox
        },
        google,
        steps: &[Step::Gemini],
        record_events: true,
        ..WorldConfig::default()
    };
    let world = World::new(config, clock).unwrap();
    for key in [PERSON, GARMENTS[0].0] {
        world.objects.put(key, Bytes::from_static(CANNED_PHOTO), Mime::Jpeg).await.unwrap();
    }
    world
}

fn body(lane: &str) -> Value {
    json!({
        "user_id": "alice",
        "person": {"photo": PERSON},
        "garments": [{"photo": GARMENTS[0].0, "category": "shirt"}],
        "quality": "sd",
        "lane": lane,
    })
}

/// Runs both lanes for two hours, whatever becomes of them; gives all that the house holds and says.
async fn play(world: &World) -> String {
    let script = async {
        world.accept(&body("online"), "one").await?;
        world.accept(&body("batch"), "two").await?;
        world.clock.sleep(Duration::from_secs(2 * 3_600)).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let mut all = String::new();
    write!(all, "{world:?} {:#?}", world.functions).unwrap();
    write!(all, "{:?} {:?}", world.attempts.attempts(), world.database.renders()).unwrap();
    write!(all, "{:?} {:?}", world.database.batches(), world.bus.drain()).unwrap();
    write!(all, "{:?}", world.board.read(StatusName::Budget)).unwrap();
    for queue in QueueName::ALL {
        write!(all, "{:?}", world.queues.dlq(queue)).unwrap();
    }
    all
}

/// Pieces of what must never be seen.
fn secrets(world: &World) -> Vec<String> {
    let key: Value = serde_json::from_str(&world.sandbox.service_account_json()).unwrap();
    let pem = key["private_key"].as_str().unwrap();
    let mut secrets: Vec<String> = pem
        .lines()
        .filter(|line| !line.starts_with("--"))
        .map(|line| line[..20].to_owned())
        .collect();
    secrets.extend([API_KEY.to_owned(), "ya29.".to_owned(), "PRIVATE KEY".to_owned()]);
    // What every assertion begins with, and how it is sent.
    secrets.extend(["eyJ0eXAi".to_owned(), "eyJhbGci".to_owned(), "assertion=".to_owned()]);
    secrets.extend([world.sandbox.replicate_token().to_owned(), "Bearer ".to_owned()]);
    secrets
}

#[tokio::test(start_paused = true)]
async fn nothing_that_fails_tells_a_secret() {
    let log = Written::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let status = |kind, code| Rule::new(When::kind(kind), Fault::status(code));
    let paying = |code| vec![status(CallKind::Online, code), status(CallKind::Create, code)];
    let by_key = Google {
        host: Host::Developer(Auth::ApiKey),
        batch_auth: Auth::ApiKey,
        ..Google::default()
    };
    let keyed = || SandboxConfig { api_key: Some(API_KEY.to_owned()), ..SandboxConfig::default() };
    // Tokens run out in mid-run.
    let short =
        || SandboxConfig { token_life: Duration::from_secs(40), ..SandboxConfig::default() };
    let lost = vec![Rule::new(When::any().nth(Nth::Every(2)), Fault::LoseAnswer)];
    let refused = vec![Rule::new(When::any().nth(Nth::Every(3)), Fault::RefuseConnection)];
    let runs = [
        (paying(401), Google::default(), SandboxConfig::default()),
        (paying(403), Google::default(), short()),
        (paying(404), Google::default(), SandboxConfig::default()),
        (paying(400), by_key.clone(), keyed()),
        (paying(401), by_key.clone(), keyed()),
        (vec![status(CallKind::Token, 400)], Google::default(), SandboxConfig::default()),
        (vec![status(CallKind::Token, 503)], Google::default(), SandboxConfig::default()),
        (vec![status(CallKind::Upload, 401)], Google::default(), SandboxConfig::default()),
        (vec![status(CallKind::Download, 403)], Google::default(), SandboxConfig::default()),
        (vec![status(CallKind::Get, 401)], by_key.clone(), keyed()),
        (lost, Google::default(), SandboxConfig::default()),
        (refused, by_key, keyed()),
    ];
    let mut said = String::new();
    let mut unseen = Vec::new();
    for (rules, google, sandbox) in runs {
        let world = world(rules, google, sandbox).await;
        said += &play(&world).await;
        unseen.extend(secrets(&world));
    }
    said += &log.text();
    // It did fail, and said so.
    for failure in ["HTTP 401", "HTTP 403", "the model is gone", "no token could be had"] {
        assert!(said.contains(failure), "nothing tells of {failure}");
    }
    for secret in unseen {
        let at = said.find(&secret);
        let around =
            at.map(|at| said[at.saturating_sub(120)..].chars().take(160).collect::<String>());
        assert!(around.is_none(), "{secret} in {around:?}");
    }
}
