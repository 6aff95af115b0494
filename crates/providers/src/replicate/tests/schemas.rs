//! What the API and each model say that they take: names, types, bounds and words.

use http::Uri;
use serde_json::Value;

/// The first way in which `object` is not what the schema of this name allows.
pub(super) fn fault(name: &str, object: &Value) -> Option<String> {
    let schemas: Value = serde_json::from_str(include_str!("schemas.json")).unwrap();
    let schema = schemas.get(name).unwrap_or_else(|| panic!("no schema of {name}"));
    let Some(given) = object.as_object() else { return Some("no object".to_owned()) };
    let required = schema["required"].as_array().unwrap();
    let missing = required.iter().find(|name| object.get(name.as_str().unwrap()).is_none());
    if let Some(name) = missing {
        return Some(format!("{name} is missing"));
    }
    given.iter().find_map(|(key, value)| match schema["fields"].get(key) {
        Some(field) if takes(field, value) => None,
        Some(_) => Some(format!("{key} cannot be {value}")),
        None => Some(format!("there is no {key}")),
    })
}

fn takes(field: &Value, value: &Value) -> bool {
    if let Some(words) = field.get("enum") {
        return words.as_array().unwrap().contains(value);
    }
    let within = || {
        let bound = |name: &str| field.get(name).and_then(Value::as_f64);
        let number = value.as_f64().unwrap();
        bound("minimum").is_none_or(|least| number >= least)
            && bound("maximum").is_none_or(|most| number <= most)
    };
    match field["type"].as_str().unwrap() {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "integer" => (value.is_i64() || value.is_u64()) && within(),
        "number" => value.is_number() && within(),
        "uri" => value.as_str().is_some_and(|text| {
            text.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("https"))
        }),
        "array" => value.as_array().is_some_and(|values| {
            let most = field.get("most").and_then(Value::as_u64).unwrap_or(u64::MAX);
            values.len() as u64 <= most && values.iter().all(|value| takes(&field["items"], value))
        }),
        other => panic!("no type {other}"),
    }
}

#[test]
fn faults_are_found() {
    use serde_json::json;
    let sdxl = |input: Value| fault("stability-ai/sdxl", &input);
    assert_eq!(sdxl(json!({"image": "https://a.test/b", "prompt_strength": 1})), None);
    for bad in [
        json!({"strength": 0.5}),
        json!({"prompt_strength": 1.1}),
        json!({"num_outputs": 1.0}),
        json!({"num_outputs": 0}),
        json!({"scheduler": "EULER"}),
        json!({"image": "in/p.jpg"}),
        json!({"prompt": null}),
        json!({"apply_watermark": "false"}),
        json!([]),
    ] {
        assert!(sdxl(bad.clone()).is_some(), "{bad}");
    }
    let banana = |input: Value| fault("google/nano-banana-pro", &input);
    assert!(banana(json!({"image_input": []})).is_some_and(|fault| fault.contains("prompt")));
    let pictures = |count| json!({"prompt": "x", "image_input": vec!["https://a.test/b"; count]});
    assert_eq!((banana(pictures(14)), banana(pictures(15)).is_some()), (None, true));
}
