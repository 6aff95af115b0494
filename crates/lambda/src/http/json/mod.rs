//! JSON bodies, refused field by field with the fix.

mod plain;
mod unique;

use serde::de::DeserializeOwned;
use serde_ignored::Path;
use serde_json::{Map, Value};
use serde_path_to_error::{Deserializer, Track};

use self::{plain::Plain, unique::Unique};
use super::problem::Problem;
use crate::fault::Fault;

/// Reads a body that must be a JSON object.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice(body) {
        Ok(Unique(Value::Object(fields))) => Ok(fields),
        _ => Err(Problem::unreadable("send a JSON object that names each key once")),
    }
}

/// Reads an object's fields; one that the type does not know is refused, so that no misspelt wish is
/// lost.
pub(super) fn fields<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, Problem> {
    let mut track = Track::new();
    let mut unknown = None;
    let reader = Deserializer::new(Plain(Value::Object(fields)), &mut track);
    let read = serde_ignored::deserialize(reader, |path| {
        unknown.get_or_insert_with(|| name(&path));
    });
    if let Some(field) = unknown {
        return Err(Problem::field(field, "leave this field out, there is none such"));
    }
    read.map_err(|error: serde_json::Error| wrong(&track.path().to_string(), &error.to_string()))
}

fn wrong(path: &str, text: &str) -> Problem {
    match Fault::of(text) {
        Fault::MissingField(name) if path == "." => Problem::field(name, "give this field"),
        Fault::MissingField(name) => Problem::field(format!("{path}.{name}"), "give this field"),
        Fault::UnknownVariant(expected) => Problem::field(path, format!("give {expected}")),
        Fault::WrongType(expected) | Fault::WrongValue(expected) => {
            Problem::field(path, format!("give {}", in_plain_words(expected)))
        }
        Fault::Other => Problem::field(path, "give a value as documented"),
    }
}

/// A path as every other message about a field writes it: `garments[0].photo`.
fn name(path: &Path<'_>) -> String {
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", name(parent)),
        Path::Map { parent: Path::Root, key } => key.clone(),
        Path::Map { parent, key } => format!("{}.{key}", name(parent)),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => name(parent),
    }
}

/// What serde calls a type, as a caller knows it.
fn in_plain_words(expected: &str) -> &str {
    match expected {
        "u32" | "u64" => "a whole number within its bounds",
        "a sequence" => "an array",
        "a boolean" => "true or false",
        "a string" => "a string",
        _ if expected.starts_with("struct ") => "an object",
        _ => "a value as documented",
    }
}
