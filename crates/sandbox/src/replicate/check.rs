//! An input against its model's schema, with complaints in the words of the validator behind the API.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::problem::Invalid;

/// A field of an input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    pub(super) required: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Takes {
    Text,
    Uri,
    /// At most so many.
    Uris(usize),
    Bool,
    AnyInteger,
    /// Between two bounds, both included.
    Integer(i64, i64),
    Number(f64, f64),
    OneOf(&'static [&'static str]),
}

/// All that is wrong with `input`. Fields that the schema does not name are no matter.
pub(super) fn check(fields: &[Field], input: &Map<String, Value>) -> Vec<Invalid> {
    let complaint = |field: &Field| match input.get(field.name) {
        None if field.required => {
            let description = format!("{} is required", field.name);
            Some(Invalid::new("required", "input", description))
        }
        None => None,
        Some(value) => {
            let wrong = field.takes.check(field.name, value)?;
            let place = format!("input.{}{}", field.name, wrong.below);
            Some(Invalid::new(wrong.kind, &place, wrong.description))
        }
    };
    fields.iter().filter_map(complaint).collect()
}

struct Wrong {
    kind: &'static str,
    /// Where within the field.
    below: String,
    description: String,
}

impl Wrong {
    fn new(kind: &'static str, description: impl Into<String>) -> Self {
        Self { kind, below: String::new(), description: description.into() }
    }

    fn kind(expected: &str, given: &Value) -> Self {
        let given = match given {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        Self::new("invalid_type", format!("Invalid type. Expected: {expected}, given: {given}"))
    }
}

impl Takes {
    fn check(self, name: &str, value: &Value) -> Option<Wrong> {
        match (self, value) {
            (Self::Text, Value::String(_)) | (Self::Bool, Value::Bool(_)) => None,
            (Self::Uri, Value::String(text)) => uri(text),
            (Self::Uris(most), Value::Array(items)) if items.len() > most => {
                let description = format!("Array must have at most {most} items");
                Some(Wrong::new("array_max_items", description))
            }
            (Self::Uris(_), Value::Array(items)) => items.iter().zip(0..).find_map(|(item, at)| {
                let wrong = Self::Uri.check(name, item)?;
                Some(Wrong { below: format!(".{at}"), ..wrong })
            }),
            (Self::AnyInteger, Value::Number(number)) if !number.is_f64() => None,
            (Self::Integer(least, most), Value::Number(number)) if !number.is_f64() => {
                let given = number.as_i64().unwrap_or(i64::MAX);
                bounds(given < least, given > most, least, most)
            }
            (Self::Number(least, most), Value::Number(number)) => {
                let given = number.as_f64().unwrap_or(f64::MAX);
                bounds(given < least, given > most, least, most)
            }
            (Self::OneOf(names), Value::String(given)) if names.contains(&given.as_str()) => None,
            (Self::OneOf(names), Value::String(_)) => {
                let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
                let description =
                    format!("{name} must be one of the following: {}", names.join(", "));
                Some(Wrong::new("enum", description))
            }
            (Self::Text | Self::Uri | Self::OneOf(_), other) => Some(Wrong::kind("string", other)),
            (Self::Uris(_), other) => Some(Wrong::kind("array", other)),
            (Self::Bool, other) => Some(Wrong::kind("boolean", other)),
            (Self::AnyInteger | Self::Integer(..), other) => Some(Wrong::kind("integer", other)),
            (Self::Number(..), other) => Some(Wrong::kind("number", other)),
        }
    }
}

/// An address has a scheme, and nothing in it that addresses escape.
fn uri(text: &str) -> Option<Wrong> {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let odd = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '\\';
    let good = scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !text.contains(odd);
    (!good).then(|| Wrong::new("format", "Does not match format 'uri'"))
}

fn bounds(below: bool, above: bool, least: impl Display, most: impl Display) -> Option<Wrong> {
    if below {
        let description = format!("Must be greater than or equal to {least}");
        return Some(Wrong::new("number_gte", description));
    }
    above.then(|| Wrong::new("number_lte", format!("Must be less than or equal to {most}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::replicate::sheet::Sheet;

    fn complaints(model: &str, input: &Value) -> Vec<(String, String)> {
        let wrong = check(Sheet::of(model).unwrap().fields, input.as_object().unwrap());
        wrong.into_iter().map(|w| (format!("{} {}", w.kind, w.field), w.description)).collect()
    }

    #[test]
    fn each_rule_has_its_words() {
        for (model, input, kind, description) in [
            ("google/nano-banana-pro", json!({}), "required input", "prompt is required"),
            (
                "google/nano-banana-pro",
                json!({"prompt": "a", "output_format": "webp"}),
                "enum input.output_format",
                "output_format must be one of the following: \"jpg\", \"png\"",
            ),
            (
                "google/nano-banana-pro",
                json!({"prompt": "a", "image_input": ["https://h/a", "b"]}),
                "format input.image_input.1",
                "Does not match format 'uri'",
            ),
            (
                "google/nano-banana-pro",
                json!({"prompt": "a", "image_input": vec!["https://h/a"; 15]}),
                "array_max_items input.image_input",
                "Array must have at most 14 items",
            ),
            (
                "stability-ai/sdxl",
                json!({"num_outputs": 5}),
                "number_lte input.num_outputs",
                "Must be less than or equal to 4",
            ),
            (
                "stability-ai/sdxl",
                json!({"width": "1024"}),
                "invalid_type input.width",
                "Invalid type. Expected: integer, given: string",
            ),
            (
                "tencentarc/photomaker",
                json!({"input_image": "data:image/png;base64,AA", "guidance_scale": 0}),
                "number_gte input.guidance_scale",
                "Must be greater than or equal to 1",
            ),
        ] {
            let expected = vec![(kind.to_owned(), description.to_owned())];
            assert_eq!(complaints(model, &input), expected, "{model} {input}");
        }
        let misspelt = json!({"prompt": "a", "image_inputs": 7, "width": -1});
        assert_eq!(complaints("google/nano-banana-pro", &misspelt), []);
    }
}
