use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aws_sdk_ssm::{Client, types::ParameterType};
use chrono::TimeDelta;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use tracing::instrument::WithSubscriber;
use tryon_aws::{ParameterSecrets, ParameterSettings, from_env_values};
use tryon_core::{
    memory::MemorySettings,
    ports::{PortError, SecretName, Secrets, SettingsSource},
    settings::{KNOBS, Settings},
};

use crate::support::{Log, ManualClock, clients, run, unique};

async fn put(ssm: &Client, name: &str, kind: ParameterType, value: &str) {
    let call = ssm.put_parameter().name(name).r#type(kind).value(value).overwrite(true);
    call.send().await.unwrap();
}

#[tokio::test]
#[ignore = "needs the emulated AWS: tests/with-services"]
async fn a_knob_is_in_force_after_15_seconds() {
    let ssm = clients().await.ssm().clone();
    let (clock, stage) = (Arc::new(ManualClock::default()), unique("knob"));
    let base = from_env_values([("GEMINI_MAX_BATCH_SIZE", "20")]).unwrap();
    let source = ParameterSettings::new(ssm.clone(), clock.clone(), &stage, base.clone());
    assert_eq!(source.settings().await, base, "a store without parameters");
    let name = format!("/garmaxai/gemini/{stage}/traffic-percent");
    put(&ssm, &name, ParameterType::String, "12.5").await;
    clock.advance(TimeDelta::milliseconds(14_999));
    assert_eq!(source.settings().await, base);
    clock.advance(TimeDelta::milliseconds(1));
    let mut turned = base;
    turned.set("traffic-percent", "12.5").unwrap();
    assert_eq!(source.settings().await, turned);
}

#[tokio::test]
#[ignore = "needs the emulated AWS: tests/with-services"]
async fn a_secret_rotates() {
    let ssm = clients().await.ssm().clone();
    let (clock, stage) = (Arc::new(ManualClock::default()), unique("secret"));
    let secrets = ParameterSecrets::new(ssm.clone(), clock.clone(), &stage);
    let read = async |fresh| {
        let secret = secrets.secret(SecretName::ReplicateToken, fresh).await;
        secret.map(|secret| secret.reveal().to_owned())
    };
    let name = format!("/garmaxai/replicate/{stage}/api-token");
    let missing = format!("GetParameter {name}: ParameterNotFound (400)");
    assert_eq!(read(false).await, Err(PortError::Unavailable(missing)));
    put(&ssm, &name, ParameterType::SecureString, "one").await;
    clock.advance(TimeDelta::seconds(3));
    assert_eq!(read(false).await.as_deref(), Ok("one"));
    put(&ssm, &name, ParameterType::SecureString, "two").await;
    clock.advance(TimeDelta::seconds(3));
    assert_eq!(read(false).await.as_deref(), Ok("one"));
    assert_eq!(read(true).await.as_deref(), Ok("two"));
}

#[tokio::test]
#[ignore = "needs the emulated AWS: tests/with-services"]
async fn no_log_shows_a_secret() {
    let ssm = clients().await.ssm().clone();
    let stage = unique("log");
    let secrets = ParameterSecrets::new(ssm.clone(), Arc::new(ManualClock::default()), &stage);
    let name = format!("/garmaxai/gemini/{stage}/api-key");
    put(&ssm, &name, ParameterType::SecureString, "hush-hush-4711").await;
    let log = Log::default();
    let read = secrets.secret(SecretName::ApiKey, false).with_subscriber(log.subscriber());
    assert_eq!(read.await.unwrap().reveal(), "hush-hush-4711");
    let text = log.text();
    assert!(text.contains("GetParameter") && text.contains("TRACE"), "{text}");
    assert!(!text.contains("hush-hush-4711"), "{text}");
}

/// Each is good for some knobs and bad for others.
const TEXTS: [&str; 10] =
    ["0", "5", "50", "1000", "true", "batch", "legacy", "https://x.example", " 7 ", "?"];

#[derive(Clone, Debug)]
enum Step {
    Set(&'static str, String),
    Delete(&'static str),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || select(KNOBS.iter().map(|knob| knob.name).collect::<Vec<_>>());
    let text = select(TEXTS.to_vec()).prop_map(str::to_owned);
    let step = prop_oneof![
        3 => (name(), text).prop_map(|(name, text)| Step::Set(name, text)),
        1 => name().prop_map(Step::Delete),
    ];
    vec(step, 1..15)
}

/// Whatever is set or deleted, what is in force is what an operator who reads the refusals believes.
#[test]
#[ignore = "needs the emulated AWS: tests/with-services"]
fn parameters_and_memory_show_the_same() {
    let config = Config { cases: 25, failure_persistence: None, ..Config::default() };
    let case = AtomicUsize::new(0);
    let outcome = TestRunner::new(config).run(&steps(), |steps| {
        let stage = unique(&format!("model{}", case.fetch_add(1, Ordering::Relaxed)));
        run(async {
            let ssm = clients().await.ssm().clone();
            let clock = Arc::new(ManualClock::default());
            let source =
                ParameterSettings::new(ssm.clone(), clock.clone(), &stage, Settings::default());
            let model = MemorySettings::new(Settings::default());
            for step in steps {
                match step {
                    Step::Set(name, text) => {
                        let path = format!("/garmaxai/gemini/{stage}/{name}");
                        put(&ssm, &path, ParameterType::String, &text).await;
                        model.set(name, &text).ok();
                    }
                    Step::Delete(name) => {
                        let path = format!("/garmaxai/gemini/{stage}/{name}");
                        // It may not be there.
                        ssm.delete_parameter().name(path).send().await.ok();
                        let knob = KNOBS.iter().find(|knob| knob.name == name).unwrap();
                        model.set(name, knob.default).unwrap();
                    }
                }
                clock.advance(TimeDelta::seconds(15));
                prop_assert_eq!(source.settings().await, model.settings().await);
            }
            Ok(())
        })
    });
    outcome.unwrap();
}
