use std::collections::BTreeSet;

use serde_json::json;

use super::{API, Desk, SDXL, config};

/// What the wire has been seen to do, each of them some of the time.
#[tokio::test(start_paused = true)]
async fn objects_have_oddities() {
    let desk = Desk::new(config());
    let (mut digits, mut oddities) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..200 {
        let answer = desk.create(SDXL, json!({"seed": seed})).await;
        let object = answer.json();
        let (_, fraction) = object["created_at"].as_str().unwrap().split_once('.').unwrap();
        digits.insert(fraction.trim_end_matches('Z').len());
        let has = |name: &str| object.as_object().unwrap().contains_key(name);
        for name in ["output", "data_removed", "source", "metrics"] {
            oddities.insert(format!("{name}: {}", has(name)));
        }
        let url = format!("{API}/v1/predictions/{}", object["id"].as_str().unwrap());
        let text = String::from_utf8(desk.try_get(&url).await.unwrap().body).unwrap();
        oddities.insert(format!("exponent: {}", text.contains("e-6")));
        let internal = text.contains("\"replicate-internal/");
        oddities.insert(format!("internal: {internal}"));
        oddities.insert(format!("models: {}", text.matches("\"model\":").count()));
        // A model billed by the second always says how long it ran.
        assert!(text.contains("\"predict_time\":"), "{text}");
    }
    assert_eq!(digits, BTreeSet::from([3, 6, 8, 9]));
    let names = ["output", "data_removed", "source", "metrics", "exponent", "internal"];
    let both = names.iter().flat_map(|name| [format!("{name}: true"), format!("{name}: false")]);
    let expected = both.chain(["models: 1".to_owned(), "models: 2".to_owned()]);
    assert_eq!(oddities, expected.collect());
}
