//! What the house says of itself: numbers for alarms, and the status of its budget.

use std::collections::BTreeMap;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde_json::Value;
use tryon_core::{chain::Step, ports::StatusName};
use tryon_sandbox::{CallKind, Fault, Rule, When};

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
        let status = world.board.read(StatusName::Budget).unwrap();
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
        ("render_cost online", 1.0),
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
