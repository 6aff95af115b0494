//! What the house says of itself: numbers for alarms, and the status of its budget.

use std::{collections::BTreeMap, time::Duration};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde_json::{Value, json};
use tryon_core::{chain::Step, ports::StatusName};
use tryon_sandbox::{CallKind, Fault, JobTime, Nth, Rule, SandboxConfig, When};

use crate::support::{self, body};

/// What was counted while `work` ran, by name and dimensions; a distribution by how many values it has.
pub(crate) fn counted(work: impl Future<Output = ()>) -> BTreeMap<String, f64> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    metrics::with_local_recorder(&recorder, || runtime.unwrap().block_on(work));
    let all = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
        let key = key.key();
        let labels = key.labels().map(|label| format!(" {}", label.value()));
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(level) => level.into_inner(),
            DebugValue::Histogram(values) => values.len() as f64,
        };
        (key.name().to_owned() + &labels.collect::<String>(), value)
    });
    all.collect()
}

#[test]
fn a_day_in_numbers() {
    let numbers = counted(async {
        let down = When::kind(CallKind::Online);
        let rules = vec![Rule::new(down, Fault::status(400))];
        let world = support::whole_world(1, support::settings(), rules).await;
        let requests = [vec![body("batch", ""); 57], vec![body("online", "")]].concat();
        let renders = support::play(&world, &requests).await;
        assert_eq!(support::succeeded(&renders), 58);
        let status = world.board.posted(StatusName::Budget).unwrap();
        assert!(status.len() < 4_096);
        let status: Value = serde_json::from_str(&status).unwrap();
        assert_eq!(status["google"]["breaker"], "closed");
        assert_eq!(status["google"]["cap_usd"], 180.0);
        assert_eq!(status["google"]["reservations"], 3);
    });
    for (name, expected) in [
        ("renders_accepted gemini batch", 57.0),
        ("renders_accepted gemini online", 1.0),
        ("batches_sealed count", 1.0),
        ("batches_sealed time", 1.0),
        ("batch_fill", 2.0),
        ("renders_succeeded gemini", 57.0),
        ("render_seconds batch", 57.0),
        ("renders_assigned gemini", 58.0),
        ("render_cost gemini image", 58.0),
        ("target_share gemini batch", 57.0),
        ("target_share gemini online", 1.0),
        ("render_failures gemini", 58.0),
        ("attempts_failed invalid", 1.0),
        ("breaker_open google", 0.0),
        ("dead_letters imagen-jobs", 0.0),
    ] {
        assert_eq!(numbers.get(name), Some(&expected), "{name}");
    }
    let fell = [Step::PhotoMaker, Step::Sdxl].map(|step| format!("fallbacks {step}"));
    assert!(fell.iter().any(|name| numbers.get(name) == Some(&1.0)), "{numbers:#?}");
    assert!(numbers["budget_settled google"] > 0.0);
}

#[test]
fn an_account_that_is_refused_in_numbers() {
    let numbers = counted(async {
        let refused = Rule::new(When::kind(CallKind::Online), Fault::status(403));
        let world = support::whole_world(1, support::settings(), vec![refused]).await;
        support::play(&world, &[body("online", "")]).await;
        support::play_more(&world, &[body("online", "")], "later").await;
        support::wait(&world, Duration::from_secs(70)).await;
        // It tries, and the breaker opens for twice as long.
        support::play_more(&world, &[body("online", "")], "latest").await;
        support::wait(&world, Duration::from_secs(70)).await;
    });
    for (name, expected) in [
        ("provider_calls gemini-online account", 2.0),
        ("breaker_moves gemini-online opened", 2.0),
        ("breaker_moves gemini-online probe", 1.0),
        ("provider_breaker_open gemini-online", 1.0),
        ("provider_breaker_open gemini-batch", 0.0),
        ("renders_diverted gemini-online", 1.0),
        ("renders_accepted legacy online", 1.0),
    ] {
        assert_eq!(numbers.get(name), Some(&expected), "{name}: {numbers:#?}");
    }
}

#[test]
fn a_breaker_that_nobody_tries_keeps_nobody_away() {
    let numbers = counted(async {
        let refused = Rule::new(When::kind(CallKind::Online), Fault::status(403));
        let world = support::whole_world(1, support::settings(), vec![refused]).await;
        support::play(&world, &[body("online", "")]).await;
        support::wait(&world, Duration::from_secs(3_600)).await;
    });
    assert_eq!(numbers.get("provider_breaker_open gemini-online"), Some(&0.0));
}

#[test]
fn a_result_file_that_is_read_many_times_counts_each_price_once() {
    let numbers = counted(async {
        let cut = When::kind(CallKind::Download).nth(Nth::First(8));
        let rules = vec![Rule::new(cut, Fault::CutDownload { after_rows: 1 })];
        let sandbox = SandboxConfig { ranges: false, ..support::quick(1, rules) };
        let world = support::world_with(1, support::settings(), sandbox, &[Step::Gemini]).await;
        support::play(&world, &vec![body("batch", ""); 3]).await;
        assert!(world.sandbox.calls()[&CallKind::Download] > 5);
    });
    assert_eq!(numbers.get("price_drift batch"), Some(&3.0));
}

#[test]
fn a_rescue_whose_job_cannot_be_cancelled_in_numbers() {
    let numbers = counted(async {
        let deaf = Rule::new(When::kind(CallKind::Cancel), Fault::status(500));
        let job_time = JobTime::Fixed(Duration::from_secs(7_800));
        let sandbox = SandboxConfig { job_time, ..support::quick(1, vec![deaf]) };
        let world = support::world_with(1, support::settings(), sandbox, &[Step::Gemini]).await;
        let mut patient = body("batch", "");
        patient["deadline_seconds"] = json!(7_200);
        support::play(&world, &[patient]).await;
    });
    for (name, expected) in [
        ("rescues granted", 1.0),
        ("rescues delivered", 1.0),
        ("duplicate_images granted", 1.0),
        ("price_drift online", 1.0),
        ("price_drift batch", 1.0),
        ("renders_succeeded gemini", 1.0),
    ] {
        assert_eq!(numbers.get(name), Some(&expected), "{name}: {numbers:#?}");
    }
    for never in ["duplicate_images ungranted", "bills_above_reservation google"] {
        assert_eq!(numbers.get(never), None, "{never}");
    }
}
