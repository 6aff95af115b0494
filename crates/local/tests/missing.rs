//! Google is checked where no render waits, and what is missing is said in words that ops can act on. Alone
//! in its process, for its log's sake.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tryon_core::{
    contract::written::Written,
    memory::{Chaos, MemorySecrets, TokioClock},
    ports::{Clock, Secret, SecretName},
    settings::Settings,
};
use tryon_local::{
    google::{Google, Way},
    world::{World, WorldConfig},
};
use tryon_providers::google::{Auth, Host};
use tryon_sandbox::{CallKind, Fault, Faults, Rule, Sandbox, SandboxConfig, When};

fn start() -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000)
}

/// A sandbox whose clock is ahead by so much, and the way there with a key changed so.
struct There {
    sandbox: Sandbox,
    google: Google,
}

fn there(rules: Vec<Rule>, ahead: TimeDelta, key: impl Fn(String) -> String) -> There {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(start() + ahead));
    let config = SandboxConfig { faults: Faults { rules }, ..SandboxConfig::default() };
    let sandbox = Sandbox::new(config, clock);
    let key = (SecretName::ServiceAccount, Secret::new(key(sandbox.service_account_json())));
    let secrets = Arc::new(MemorySecrets::new(Arc::new(Chaos::seeded(1)), [key]));
    let way = Way { transport: sandbox.transport(), secrets };
    let host = Host::Developer(Auth::Bearer);
    There { sandbox, google: Google { way: Some(way), host, ..Google::default() } }
}

/// A quarter of an hour in which nobody asks for anything.
async fn quarter(google: Google, open: bool) {
    let settings = Settings { enable_gemini_batch: open, ..Settings::default() };
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(start()));
    let world = World::new(WorldConfig { settings, google, ..WorldConfig::default() }, clock);
    let world = world.unwrap();
    let script = async {
        world.clock.sleep(Duration::from_secs(16 * 60)).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
}

#[test]
fn what_is_missing_is_told_before_a_render_finds_out() {
    let log = Written::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (none, no_change) = (TimeDelta::zero(), |key: String| key);
    let wrong = |key: String| key.replace("sandbox-only-key", "rotated-key");
    let disabled = [CallKind::List, CallKind::Get]
        .map(|kind| Rule::new(When::kind(kind), Fault::refuse(403, "SERVICE_DISABLED")));
    let away = Rule::new(When::kind(CallKind::List), Fault::status(503));
    let cases = [
        ("all is there", there(Vec::new(), none, no_change), true, Some(0.0), ""),
        ("wrong key", there(Vec::new(), none, wrong), true, Some(1.0), "rotated or deleted"),
        ("not opened", there(Vec::new(), none, wrong), false, Some(0.0), "before the Gemini route"),
        ("disabled", there(disabled.into(), none, no_change), true, Some(1.0), "enable this API"),
        (
            "clock",
            there(Vec::new(), TimeDelta::hours(-2), no_change),
            true,
            Some(1.0),
            "this machine's clock right",
        ),
        ("away", there(vec![away], none, no_change), true, None, "could not be checked"),
    ];
    for (name, There { sandbox, google }, open, missing, words) in cases {
        let numbers = counted(quarter(google, open));
        let said = log.take();
        assert_eq!(numbers.get("google_missing").copied(), missing, "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
        assert!(sandbox.bill().charges.is_empty(), "{name}");
        if words.is_empty() {
            assert!(!said.contains("ERROR") && !said.contains("WARN"), "{said}");
            // At the start, and when the quarter is over.
            assert_eq!(sandbox.calls()[&CallKind::List], 2);
        }
    }
}

/// The levels that were shown while `work` ran.
fn counted(work: impl Future<Output = ()>) -> BTreeMap<String, f64> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    metrics::with_local_recorder(&recorder, || runtime.unwrap().block_on(work));
    let all = snapshotter.snapshot().into_vec().into_iter();
    all.filter_map(|(key, _, _, value)| match value {
        DebugValue::Gauge(level) => Some((key.key().name().to_owned(), level.into_inner())),
        _ => None,
    })
    .collect()
}
