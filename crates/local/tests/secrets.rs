//! No key, token or assertion in anything that is said. Alone in its process: a place that logs for the
//! first time in another test's thread, while a subscriber is being set, may stay silent for good.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::{fmt::Write, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use serde_json::{Value, json};
use tryon_core::{
    catalogue::Catalogue,
    chain::Step,
    contract::written::Written,
    memory::TokioClock,
    picture::Mime,
    ports::{Clock, Objects, QueueName, StatusName},
    routing::Percent,
    settings::Settings,
};
use tryon_lambda::environment::Environment;
use tryon_local::{
    arrivals::{CANNED_PHOTO, GARMENTS, PERSON},
    check,
    cli::{Cli, Command},
    google::Google,
    render_one,
    world::{World, WorldConfig},
};
use tryon_providers::google::{Auth, Host};
use tryon_sandbox::{
    CallKind, Fault, Faults, Latency, Nth, Pictures, Rule, Sandbox, SandboxConfig, When,
};

const WRONG_KEY: &str = "another-api-key-9876543210";
const API_KEY: &str = "sandbox-api-key-0123456789";
const WRONG_TOKEN: &str = "r8_another-token-9876543210";

/// Where `predict` says so, Online renders are for the model behind `:predict`.
async fn world(rules: Vec<Rule>, google: Google, sandbox: SandboxConfig, predict: bool) -> World {
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
        catalogue: predict.then(try_on),
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
        "quality": if lane == "online" { "sd" } else { "hd" },
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
    write!(all, "{:?}", world.board.posted(StatusName::Budget)).unwrap();
    for queue in QueueName::ALL {
        write!(all, "{:?}", world.queues.dlq(queue)).unwrap();
    }
    all
}

/// Pieces of what must never be seen.
fn secrets(sandbox: &Sandbox) -> Vec<String> {
    let key: Value = serde_json::from_str(&sandbox.service_account_json()).unwrap();
    let pem = key["private_key"].as_str().unwrap();
    let mut secrets: Vec<String> = pem
        .lines()
        .filter(|line| !line.starts_with("--"))
        .map(|line| line[..20].to_owned())
        .collect();
    secrets.extend([
        API_KEY.to_owned(),
        WRONG_KEY.to_owned(),
        WRONG_TOKEN.to_owned(),
        "ya29.".to_owned(),
        "PRIVATE KEY".to_owned(),
    ]);
    // What every assertion begins with, and how it is sent.
    secrets.extend(["eyJ0eXAi".to_owned(), "eyJhbGci".to_owned(), "assertion=".to_owned()]);
    secrets.extend([sandbox.replicate_token().to_owned(), "Bearer ".to_owned()]);
    secrets
}

fn try_on() -> Arc<Catalogue> {
    let text = include_str!("../../core/catalogue.toml");
    let text = text.replacen("sd = \"nano-banana-1k-minimal\"", "sd = \"virtual-try-on\"", 1);
    Arc::new(Catalogue::parse(&text).unwrap())
}

/// The commands that reach the real Google, over real connections to a sandbox that serves a port:
/// what they show, and what they fail with. Gives the sandbox's world of secrets, too.
fn live() -> (String, Sandbox) {
    let config = SandboxConfig {
        api_key: Some(API_KEY.to_owned()),
        delivery_url: Some("https://replicate.delivery".to_owned()),
        ..SandboxConfig::default()
    };
    let sandbox = Sandbox::new(config.taking(Some(0)), Arc::new(TokioClock::real()));
    let (told, heard) = std::sync::mpsc::channel();
    let serving = sandbox.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let any = ([127, 0, 0, 1], 0).into();
            let server = serving.serve(any, std::future::pending()).await.unwrap();
            told.send(server.addr()).unwrap();
            server.run().await.unwrap();
        });
    });
    let base = format!("http://{}", heard.recv().unwrap());
    let folder = std::env::temp_dir().join(format!("tryon-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (file, out) = (folder.join("key.json"), folder.join("out.jpg"));
    let key = sandbox.service_account_json_at(&format!("{base}/token"));
    let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");
    let (person, shirt) = (format!("{assets}/person.jpg"), format!("{assets}/garment-shirt.jpg"));
    let check = ["check", "google", "--live", "--google-endpoint", &base];
    let render = ["render", "--google", "live", "--google-endpoint", &base, "--person", &person];
    let render = [&render[..], &["--garment", &shirt, "-o", out.to_str().unwrap()]].concat();
    let mut said = String::new();
    for fault in [None, Some(401), Some(403)] {
        sandbox.faults().clear();
        if let Some(code) = fault {
            for kind in [CallKind::List, CallKind::Online] {
                sandbox.faults().push(Rule::new(When::kind(kind), Fault::status(code)));
            }
        }
        // The key, one of another account, and one that is none.
        for key in [
            key.clone(),
            key.replace("client_email\":\"", "client_email\":\"not-"),
            key[..300].to_owned(),
        ] {
            std::fs::write(&file, key).unwrap();
            for words in [&check[..], &render[..]] {
                let by_file = ["--google-key-file", file.to_str().unwrap()];
                said += &command(&[words, &by_file[..]].concat(), &[]);
            }
        }
        for key in [API_KEY, WRONG_KEY] {
            for words in [&check[..], &render[..]] {
                said += &command(words, &[("GEMINI_API_KEY", key)]);
            }
        }
    }
    said += &live_replicate(&sandbox, &base, [&person, &shirt, out.to_str().unwrap()]);
    std::fs::remove_dir_all(&folder).unwrap();
    (said, sandbox)
}

/// The same of Replicate, whose token is good, wrong, or no header at all.
fn live_replicate(sandbox: &Sandbox, base: &str, [person, shirt, out]: [&str; 3]) -> String {
    let at = ["--replicate-endpoint", base];
    let check = [&["check", "replicate", "--live"], &at[..]].concat();
    let render = ["render", "--replicate", "live", "--person", person, "--garment", shirt];
    let render = [&render[..], &["-o", out], &at].concat();
    let none = format!("{WRONG_TOKEN}\u{7f}");
    let mut said = String::new();
    for code in [None, Some(403), Some(422)] {
        sandbox.faults().clear();
        if let Some(code) = code {
            // The token itself is taken, so that a render gets as far as its create.
            let model = When::kind(CallKind::PredictionModel).key("/");
            for some in [model, When::kind(CallKind::PredictionCreate)] {
                sandbox.faults().push(Rule::new(some, Fault::status(code)));
            }
        }
        for token in [sandbox.replicate_token(), WRONG_TOKEN, &none] {
            for words in [&check, &render] {
                said += &command(words, &[("REPLICATE_API_TOKEN", token)]);
            }
        }
    }
    said
}

fn command(words: &[&str], variables: &[(&str, &str)]) -> String {
    let cli = Cli::try_parse_from(["tryon"].iter().chain(words)).unwrap();
    let pairs = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let (environment, mut out) = (Environment::new(pairs), Vec::new());
    let result = match cli.command {
        Command::Check(args) => check::run(&args, &environment, &mut out),
        Command::Render(args) => render_one::run(&args, &environment, &mut out),
        _ => unreachable!("another command"),
    };
    format!("{result:?} {environment:?} {}", String::from_utf8_lossy(&out))
}

#[test]
fn nothing_that_fails_tells_a_secret() {
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
    let (mut said, sandbox) = live();
    let mut unseen = secrets(&sandbox);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        for (rules, google, sandbox) in runs {
            for predict in [false, true] {
                let (rules, google) = (rules.clone(), google.clone());
                let world = world(rules, google, sandbox.clone(), predict).await;
                said += &play(&world).await;
                unseen.extend(secrets(&world.sandbox));
            }
        }
    });
    said += &log.text();
    // The wire itself was listened to.
    assert!(said.contains("hyper"), "no word of the connections");
    // It did fail, and said so.
    let failures = ["HTTP 401", "HTTP 403", "the model is gone", "no token could be had"];
    let of_replicate = ["the token is refused", "check the token's permissions"];
    for failure in failures.into_iter().chain(of_replicate) {
        assert!(said.contains(failure), "nothing tells of {failure}");
    }
    for secret in unseen {
        let at = said.find(&secret);
        let around =
            at.map(|at| said[at.saturating_sub(120)..].chars().take(160).collect::<String>());
        assert!(around.is_none(), "{secret} in {around:?}");
    }
}
