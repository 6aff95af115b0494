//! The body of a create.

use serde_json::{Map, Value};

use super::{
    offer::ReplicateModel,
    problem::{Invalid, Problem},
};
use crate::web;

const KEYS: [&str; 4] = ["input", "webhook", "webhook_events_filter", "stream"];

/// A create that is well formed.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Absent where the path names the model.
    pub(super) version: Option<&'a str>,
    pub(super) input: &'a Map<String, Value>,
}

impl<'a> Asked<'a> {
    /// `versioned`: whether the body has to name a version.
    pub(super) fn read(body: &'a Value, versioned: bool) -> Result<Self, Problem> {
        let body = body.as_object().ok_or_else(|| Problem::unreadable("Not a JSON object."))?;
        let missing = |name: &str| Invalid::new("required", "", format!("{name} is required"));
        let known = |key: &str| KEYS.contains(&key) || (versioned && key == "version");
        let mut wrong: Vec<Invalid> = body
            .keys()
            .filter(|key| !known(key))
            .map(|key| {
                let description = format!("Additional property {key} is not allowed");
                Invalid::new("additional_property_not_allowed", "", description)
            })
            .collect();
        let version = body.get("version").and_then(Value::as_str);
        if versioned && version.is_none() {
            wrong.push(missing("version"));
        }
        match body.get("input") {
            Some(Value::Object(input)) if wrong.is_empty() => return Ok(Self { version, input }),
            Some(Value::Object(_)) => {}
            Some(_) => {
                let description = "Invalid type. Expected: object";
                wrong.push(Invalid::new("invalid_type", "input", description));
            }
            None => wrong.push(missing("input")),
        }
        Err(Problem::invalid(&wrong))
    }
}

/// The model that `version` names, and the version that will answer: of an official model by its name
/// alone, none that could be told; of a community model, its current one.
pub(super) fn resolve<'a>(
    models: &'a [ReplicateModel],
    version: &str,
) -> Result<(&'a ReplicateModel, String), Problem> {
    let (name, id) = match version.split_once(':') {
        Some((name, id)) => (Some(name), Some(id)),
        None if version.contains('/') => (Some(version), None),
        None => (None, Some(version)),
    };
    let fits = |model: &&ReplicateModel| {
        name.is_none_or(|name| model.model == name)
            && id.map_or(model.official, |id| model.versions.iter().any(|known| known == id))
    };
    let model = models.iter().find(fits).ok_or_else(Problem::version)?;
    let current = id.and_then(|_| model.versions.first());
    Ok((model, current.map_or_else(|| "hidden".to_owned(), String::clone)))
}

/// The caller's name for the try, as it rides in the address of an input.
pub(super) fn attempt(input: &Value) -> Option<String> {
    match input {
        Value::String(address) => {
            let (_, query) = address.split_once('?')?;
            web::field(query, "x-attempt")
        }
        Value::Array(items) => items.iter().find_map(attempt),
        Value::Object(fields) => fields.values().find_map(attempt),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_are_named_in_three_ways() {
        let models = ReplicateModel::documented();
        let sdxl = models[2].versions.clone();
        let esrgan = models[3].versions[0].clone();
        let named = |version: &str| resolve(&models, version).map(|(model, v)| (&*model.model, v));
        let official = "google/nano-banana-pro";
        assert_eq!(named(official), Ok((official, "hidden".to_owned())));
        for known in [&sdxl[0], &sdxl[1]] {
            let expected = Ok(("stability-ai/sdxl", sdxl[0].clone()));
            assert_eq!(named(known), expected);
            assert_eq!(named(&format!("stability-ai/sdxl:{known}")), expected);
        }
        let upscale = "nightmareai/real-esrgan";
        assert_eq!(named(upscale), Ok((upscale, "hidden".to_owned())));
        assert_eq!(named(&esrgan), Ok((upscale, esrgan.clone())));
        for bad in [
            "stability-ai/sdxl",
            "stability-ai/sdxl:latest",
            "google/nano-banana-pro:latest",
            &format!("stability-ai/sdxl:{esrgan}"),
            &"0".repeat(64),
            "nobody/nothing",
            "",
        ] {
            assert_eq!(named(bad), Err(Problem::version()), "{bad}");
        }
    }

    #[test]
    fn the_attempt_rides_in_any_address() {
        let input = json!({"prompt": "x?", "n": 1, "image_input": ["https://h/p", "https://h/g?a=b&x-attempt=r%2F1&c"]});
        assert_eq!(attempt(&input).as_deref(), Some("r/1"));
        assert_eq!(attempt(&json!({"image": "https://h/p?x=y"})), None);
    }
}
