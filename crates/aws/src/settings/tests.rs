use futures_util::future::join_all;
use serde_json::json;

use super::*;
use crate::testing::{Answer, Sent, Wire, json, refusal};

const PREFIX: &str = "/garmaxai/gemini/test/";

/// The answer of a store with these parameters.
fn found(parameters: &[(&str, &str)]) -> Answer {
    let of =
        |(name, value): &(&str, &str)| json!({"Name": format!("{PREFIX}{name}"), "Value": value});
    let there: Vec<_> = parameters.iter().map(of).collect();
    let missing = KNOBS.iter().map(|knob| knob.name);
    let missing = missing.filter(|name| parameters.iter().all(|(there, _)| there != name));
    let missing: Vec<_> = missing.map(|name| format!("{PREFIX}{name}")).collect();
    json(200, &json!({"Parameters": there, "InvalidParameters": missing}))
}

fn base() -> Settings {
    from_env_values([("GEMINI_TRAFFIC_PERCENT", "30"), ("GEMINI_MAX_BATCH_SIZE", "20")]).unwrap()
}

fn source(wire: &Wire) -> ParameterSettings {
    ParameterSettings::new(Client::new(&wire.config()), wire.clock(), "test", base())
}

async fn pass(wire: &Wire, seconds: u64) {
    wire.clock().sleep(Duration::from_secs(seconds)).await;
}

fn targets(sent: &[Sent]) -> Vec<&str> {
    sent.iter().map(|sent| sent.target.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn one_call_reads_every_knob_and_lasts_15_seconds() {
    let wire = Wire::new(|_| found(&[("traffic-percent", "12.5"), ("default-lane", "batch")]));
    let source = source(&wire);
    let settings = source.settings().await;
    let mut expected = base();
    expected.set("traffic-percent", "12.5").unwrap();
    expected.set("default-lane", "batch").unwrap();
    assert_eq!(settings, expected, "missing ones have the environment's values");
    let sent = wire.sent();
    assert_eq!(targets(&sent), ["AmazonSSM.GetParameters"]);
    let names: Vec<_> = KNOBS.iter().map(|knob| format!("{PREFIX}{}", knob.name)).collect();
    assert_eq!(sent[0].json(), json!({"Names": names}));
    pass(&wire, 14).await;
    source.settings().await;
    assert_eq!(wire.sent().len(), 0);
    pass(&wire, 1).await;
    source.settings().await;
    assert_eq!(wire.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_decides_by_the_knobs_reads_them_past_the_cache_or_not_at_all() {
    let wire = Wire::of([
        found(&[("traffic-percent", "10")]),
        found(&[("traffic-percent", "20")]),
        refusal(400, "AccessDeniedException"),
    ]);
    let source = source(&wire);
    let percent = |settings: &Settings| settings.traffic_percent.to_string();
    assert_eq!(percent(&source.settings().await), "10");
    assert_eq!(percent(&source.fresh().await.unwrap()), "20");
    assert_eq!(percent(&source.settings().await), "20", "the others go by it at once");
    assert!(matches!(source.fresh().await, Err(PortError::Unavailable(_))));
    assert_eq!(percent(&source.settings().await), "20");
}

#[tokio::test(start_paused = true)]
async fn a_crowd_makes_one_call() {
    let wire = Wire::new(|_| found(&[("traffic-percent", "50")]));
    let source = source(&wire);
    for wait in [0, 15, 600] {
        pass(&wire, wait).await;
        let all = join_all((0..100).map(|_| source.settings())).await;
        assert_eq!(wire.sent().len(), 1, "after {wait} s");
        assert!(all.iter().all(|s| s.traffic_percent.to_string().starts_with("50")));
    }
}

#[tokio::test(start_paused = true)]
async fn while_one_reads_the_others_do_not_wait_for_knobs_that_are_hardly_old() {
    let mut percent = 0;
    let wire = Wire::new(move |_| {
        percent += 10;
        found(&[("traffic-percent", &percent.to_string())])
    });
    let source = source(&wire);
    let read = async || source.settings().await.traffic_percent;
    let first = read().await;
    pass(&wire, 16).await;
    let (reader, other) = tokio::join!(read(), read());
    assert!(reader != first && other == first);
    pass(&wire, 3_600).await;
    let (reader, other) = tokio::join!(read(), read());
    assert_eq!(reader, other, "nobody goes by knobs of an hour ago");
}

#[tokio::test(start_paused = true)]
async fn one_caller_at_a_time_waits_for_a_store_that_is_away() {
    let wire = Wire::of([found(&[]), None, found(&[("traffic-percent", "50")])]);
    let source = source(&wire);
    let read = async || source.settings().await.traffic_percent;
    let first = read().await;
    pass(&wire, 60).await;
    assert_eq!(read().await, first);
    pass(&wire, 2).await;
    let (reader, other) = tokio::join!(read(), read());
    assert!(reader != first && other == first);
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_to_gemini_before_the_store_was_read() {
    let wire = Wire::of([refusal(400, "ThrottlingException"), None, found(&[])]);
    let source = source(&wire);
    let nobody = Settings { traffic_percent: Percent::ZERO, ..base() };
    let all = join_all((0..100).map(|_| source.settings())).await;
    assert!(all.iter().all(|settings| *settings == nobody));
    assert_eq!(wire.sent().len(), 1, "a failure is shared too");
    pass(&wire, 1).await;
    assert_eq!(source.settings().await, nobody);
    assert_eq!(wire.sent().len(), 0, "and not tried again at once");
    pass(&wire, 1).await;
    assert_eq!(source.settings().await, nobody);
    pass(&wire, 2).await;
    assert_eq!(source.settings().await, base());
    assert_eq!(wire.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_last_good_settings_outlive_the_store() {
    let wire = Wire::of([found(&[("traffic-percent", "50")]), refusal(500, "InternalServerError")]);
    let source = source(&wire);
    let good = source.settings().await;
    for wait in [15, 2, 86_400] {
        pass(&wire, wait).await;
        assert_eq!(source.settings().await, good);
        assert_eq!(wire.sent().len(), if wait == 15 { 2 } else { 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_value_leaves_that_knob_as_it_was() {
    let wire = Wire::of([
        found(&[("max-batch-size", "51"), ("traffic-percent", "40")]),
        found(&[("max-batch-size", "10"), ("traffic-percent", "lots")]),
        found(&[("max-batch-size", "none"), ("default-lane", "online")]),
        found(&[]),
    ]);
    let source = source(&wire);
    let mut expected = base();
    let mut check = async |turned: &[(&str, &str)]| {
        for (name, text) in turned {
            expected.set(name, text).unwrap();
        }
        assert_eq!(source.settings().await, expected);
        pass(&wire, 15).await;
    };
    check(&[("traffic-percent", "40")]).await;
    check(&[("max-batch-size", "10")]).await;
    check(&[("traffic-percent", "30"), ("default-lane", "online")]).await;
    check(&[("max-batch-size", "20"), ("default-lane", "auto")]).await;
}

#[test]
fn a_fault_is_told_once_for_each_value() {
    let log = crate::testing::Log::default();
    let mut known = Known {
        settings: base(),
        asked_at: DateTime::<Utc>::MIN_UTC,
        due_at: DateTime::<Utc>::MIN_UTC,
        texts: BTreeMap::new(),
        bad: BTreeMap::new(),
    };
    let mut faults = |texts: &[&str]| {
        log.during(|| {
            for text in texts {
                let found = BTreeMap::from([("max-batch-size", (*text).to_owned())]);
                known.take(&found, &base());
            }
        });
        log.take().matches("max-batch-size").count()
    };
    assert_eq!(faults(&["x", "x", "x"]), 1);
    assert_eq!(faults(&["x", "y", "y", "5", "y"]), 2);
}

#[test]
fn the_environment_names_what_is_bad() {
    let values = [("PATH", "x"), ("GEMINI_MAX_BATCH_SIZE", "7")];
    let settings = from_env_values(values).unwrap();
    assert_eq!(settings, Settings { max_batch_size: 7, ..Settings::default() });
    let fault = from_env_values([("GEMINI_TRAFFIC_PERCENT", "all")]).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "knob GEMINI_TRAFFIC_PERCENT: give 0 to 100 with at most two decimals"
    );
}
