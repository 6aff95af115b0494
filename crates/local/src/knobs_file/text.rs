//! The file's text.

use std::collections::BTreeMap;

use toml::{Table, Value};
use tryon_core::settings::{KNOBS, Knob};

/// Where a local run differs from a deployment: both routes are in use from the start.
const LOCAL: [(&str, &str); 2] = [("enable-gemini-batch", "true"), ("traffic-percent", "50")];

/// Every key with its value as a knob takes it; none where no text can stand for it.
pub(super) fn read(text: &str) -> Result<BTreeMap<String, Option<String>>, String> {
    let table: Table = toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("line {line} is no TOML ({}); write NAME = VALUE", error.message())
    })?;
    Ok(table.into_iter().map(|(name, value)| (name, plain(value))).collect())
}

fn plain(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(on) => Some(on.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

/// A new file: every knob with what it does.
pub(super) fn local() -> String {
    let head = "# The knobs, as Parameter Store holds them when deployed. Change them at any time.\n\
                # One that is left out has the default of a deployment.\n";
    let knobs: Vec<String> = KNOBS.iter().map(entry).collect();
    [head, &knobs.concat()].concat()
}

fn entry(knob: &Knob) -> String {
    let Knob { name, bounds, default, effect, .. } = knob;
    let local = LOCAL.iter().find(|(of, _)| of == name);
    let value = written(local.map_or(*default, |(_, value)| value));
    format!("\n# {effect}\n# Takes {bounds}.\n{name} = {value}\n")
}

fn written(value: &str) -> String {
    let is_bare = value.parse::<f64>().is_ok() || value.parse::<bool>().is_ok();
    if is_bare { value.to_owned() } else { format!("{value:?}") }
}

/// The file with one knob turned; what else is in it stays.
pub(super) fn with(text: &str, name: &str, value: &str) -> String {
    let sets = |line: &&str| line.split('=').next().is_some_and(|key| key.trim() == name);
    let line = format!("{name} = {}", written(value));
    let known = text.lines().any(|other| sets(&other));
    let lines = text.lines().map(|other| if sets(&other) { &line } else { other });
    let more = (!known).then_some(line.as_str());
    let mut text: String = lines.chain(more).flat_map(|line| [line, "\n"]).collect();
    text.truncate(text.trim_end_matches('\n').len());
    text + "\n"
}
