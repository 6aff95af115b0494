use super::*;

#[test]
fn the_table_and_the_struct_have_the_same_defaults() {
    let mut settings = Settings {
        enable_gemini_batch: true,
        traffic_percent: Percent::FULL,
        traffic_ceiling: Percent::ZERO,
        daily_budget: Micros::ZERO,
        max_batch_size: 1,
        batch_timeout: TimeDelta::zero(),
        api_endpoint: "http://x".to_owned(),
        default_lane: DefaultLane::Always(Lane::Batch),
        when_budget_exhausted: WhenBudgetExhausted::Reject,
        replicate_daily_budget: Micros::ZERO,
    };
    for knob in &KNOBS {
        settings.set(knob.name, knob.default).unwrap();
    }
    assert_eq!(settings, Settings::default());
}

#[test]
fn bad_values_change_nothing_and_say_the_fix() {
    let mut settings = Settings::default();
    let bad = [
        ("enable-gemini-batch", "yes"),
        ("traffic-percent", "101"),
        ("traffic-percent", "-1"),
        ("traffic-ceiling", "10.123"),
        ("daily-budget-usd", "lots"),
        ("max-batch-size", "0"),
        ("max-batch-size", "51"),
        ("batch-timeout-ms", "999"),
        ("api-endpoint", "ftp://x"),
        ("default-lane", "Batch"),
        ("when-budget-exhausted", ""),
        ("replicate-daily-budget-usd", "1000001"),
        ("no-such-knob", "1"),
    ];
    for (name, text) in bad {
        let error = settings.set(name, text).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(settings, Settings::default(), "{name} {text}");
    }
}
