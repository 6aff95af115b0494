//! The document as a judge: of every answer, and of itself against the code.

use std::collections::BTreeSet;

use chrono::DateTime;
use regex::Regex;
use serde_json::{Value, json};
use tryon_core::{
    picture::{MAX_PIXELS, MAX_SIDE, MIN_SIDE},
    request::{MAX_DESCRIPTION_CHARS, MAX_GARMENTS, MAX_PICTURE_BYTES, MAX_PROMPT_CHARS},
};

use super::edge::Answer;
use crate::http::{
    DEFAULT_PAGE, MAX_BODY_BYTES, MAX_PAGE, MAX_TOKEN_BYTES, MAX_USER_BYTES, OPENAPI,
    incoming::Incoming,
};

pub(super) struct Document(Value);

impl Document {
    pub(super) fn read() -> Self {
        Self(serde_json::from_str(OPENAPI).unwrap())
    }

    pub(super) fn schema(&self, name: &str) -> &Value {
        &self.0["components"]["schemas"][name]
    }

    /// Holds an answer against what the document says of its request.
    pub(super) fn check(&self, event: &Value, answer: &Answer) {
        let request = Incoming::read(event.clone()).unwrap();
        let Some(path) = self.path(&request.path) else {
            assert_eq!(answer.status, 404, "{}", request.path);
            return self.fits_problem(answer);
        };
        let Some(operation) = path.get(request.method.to_lowercase()) else {
            if answer.status == 204 && request.method == "OPTIONS" {
                return;
            }
            assert_eq!(answer.status, 405);
            let allowed: BTreeSet<&str> =
                answer.headers["allow"].as_str().unwrap().split(", ").collect();
            let documented: BTreeSet<String> =
                path.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
            assert_eq!(allowed, documented.iter().map(String::as_str).collect());
            return self.fits_problem(answer);
        };
        let response = &operation["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{} {}: {answer:?}", request.method, request.path);
        let response = self.target(response);
        let kind = answer.headers["content-type"].as_str().unwrap();
        let schema = &response["content"][kind]["schema"];
        assert!(schema.is_object(), "{kind} is not in the document");
        self.fits(schema, &answer.body, "$");
        self.check_headers(response, answer);
    }

    fn check_headers(&self, response: &Value, answer: &Answer) {
        let given = answer.headers.as_object().unwrap();
        let documented = response["headers"].as_object().unwrap();
        let find = |name: &str| {
            documented.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, h)| h)
        };
        for (name, header) in documented {
            let needed = self.target(header)["required"] == true;
            assert!(!needed || given.contains_key(&name.to_lowercase()), "{name} is missing");
        }
        for name in ["retry-after", "location", "x-request-id"] {
            let Some(value) = given.get(name).and_then(Value::as_str) else { continue };
            let header = find(name).unwrap_or_else(|| panic!("{name} is not in the document"));
            let schema = &self.target(header)["schema"];
            let value = if schema["type"] == "integer" {
                value.parse::<i64>().unwrap().into()
            } else {
                value.into()
            };
            self.fits(schema, &value, name);
        }
    }

    fn fits_problem(&self, answer: &Answer) {
        self.fits(self.schema("Problem"), &answer.body, "$");
    }

    fn path(&self, path: &str) -> Option<&Value> {
        let parts: Vec<&str> = path.split('/').collect();
        let matches = |template: &str| {
            let template: Vec<&str> = template.split('/').collect();
            template.len() == parts.len()
                && template.iter().zip(&parts).all(|(t, p)| t == p || t.starts_with('{'))
        };
        let mut paths = self.0["paths"].as_object().unwrap().iter();
        paths.find(|(template, _)| matches(template)).map(|(_, path)| path)
    }

    fn target<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return value };
        let target = reference.strip_prefix('#').and_then(|pointer| self.0.pointer(pointer));
        target.unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    /// JSON Schema, as far as the document uses it. What an answer has must be described.
    fn fits(&self, schema: &Value, value: &Value, at: &str) {
        if let Err(fault) = self.fault(schema, value, at) {
            panic!("{fault}");
        }
    }

    pub(super) fn fault(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let length = || value.as_str().map_or(0, |text| text.chars().count() as u64);
        for (keyword, rule) in schema.as_object().unwrap() {
            let fits = match keyword.as_str() {
                "$ref" => {
                    self.fault(self.target(schema), value, at)?;
                    true
                }
                "anyOf" => {
                    rule.as_array().unwrap().iter().any(|s| self.fault(s, value, at).is_ok())
                }
                "type" => match rule.as_array() {
                    Some(kinds) => kinds.iter().any(|kind| is_a(kind, value)),
                    None => is_a(rule, value),
                },
                "enum" => rule.as_array().unwrap().contains(value),
                "const" => rule == value,
                "minimum" => value.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap()),
                "maximum" => value.as_i64().is_none_or(|number| number <= rule.as_i64().unwrap()),
                "minLength" => !value.is_string() || length() >= rule.as_u64().unwrap(),
                "maxLength" => !value.is_string() || length() <= rule.as_u64().unwrap(),
                "pattern" => {
                    let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                    value.as_str().is_none_or(|text| pattern.is_match(text))
                }
                "format" => value.as_str().is_none_or(|text| is_formatted(rule, text)),
                "minItems" => {
                    value.as_array().is_none_or(|v| v.len() as u64 >= rule.as_u64().unwrap())
                }
                "maxItems" => {
                    value.as_array().is_none_or(|v| v.len() as u64 <= rule.as_u64().unwrap())
                }
                "items" => {
                    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.fault(rule, item, &format!("{at}[{i}]"))?;
                    }
                    true
                }
                "required" => rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|name| value.get(name.as_str().unwrap()).is_some()),
                "properties" => {
                    for (name, inner) in value.as_object().into_iter().flatten() {
                        let Some(rule) = rule.get(name) else {
                            return Err(format!("{at}.{name} is not in the document"));
                        };
                        self.fault(rule, inner, &format!("{at}.{name}"))?;
                    }
                    true
                }
                "additionalProperties" => {
                    if rule.is_object() {
                        for (name, inner) in value.as_object().into_iter().flatten() {
                            self.fault(rule, inner, &format!("{at}.{name}"))?;
                        }
                    }
                    true
                }
                "description" | "default" => true,
                _ => panic!("{keyword} is no keyword that this test knows"),
            };
            if !fits {
                return Err(format!("{at}: {value} does not fit {keyword} {rule}"));
            }
        }
        Ok(())
    }
}

fn is_a(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        kind => panic!("{kind} is no type that this test knows"),
    }
}

fn is_formatted(format: &Value, text: &str) -> bool {
    match format.as_str().unwrap() {
        "date-time" => DateTime::parse_from_rfc3339(text).is_ok(),
        "uri" => text.parse::<http::Uri>().is_ok_and(|uri| uri.scheme().is_some()),
        "uri-reference" => text.parse::<http::Uri>().is_ok(),
        "uuid" => text.len() == 36,
        format => panic!("{format} is no format that this test knows"),
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_part_is_used() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(entries) => {
                found.extend(entries.get("$ref").and_then(Value::as_str));
                entries.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = Document::read();
    let mut found = BTreeSet::new();
    references(&document.0, &mut found);
    for reference in &found {
        document.target(&json!({"$ref": reference}));
    }
    for (kind, parts) in document.0["components"].as_object().unwrap() {
        for name in parts.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
            let reference = format!("#/components/{kind}/{name}");
            // Of methods that no operation has.
            let used = found.contains(reference.as_str()) || name == "MethodNotAllowed";
            assert!(used, "{reference} is used by nobody");
        }
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    let document = Document::read();
    let parameter = |name: &str| &document.0["components"]["parameters"][name]["schema"];
    let schema = |name: &str, field: &str| &document.schema(name)["properties"][field];
    let limits = [
        (&schema("NewUpload", "bytes")["maximum"], MAX_PICTURE_BYTES),
        (&schema("NewRender", "garments")["maxItems"], MAX_GARMENTS as u64),
        (&schema("NewRender", "prompt")["maxLength"], MAX_PROMPT_CHARS as u64),
        (&schema("Garment", "description")["maxLength"], MAX_DESCRIPTION_CHARS as u64),
        (&document.schema("UserId")["maxLength"], MAX_USER_BYTES as u64),
        (&parameter("IdempotencyKey")["maxLength"], MAX_TOKEN_BYTES as u64),
        (&parameter("Limit")["maximum"], MAX_PAGE as u64),
        (&parameter("Limit")["default"], DEFAULT_PAGE as u64),
        (&schema("RenderPage", "renders")["maxItems"], MAX_PAGE as u64),
    ];
    for (documented, limit) in limits {
        assert_eq!(*documented, limit);
    }
    let with_commas = |number: u64| {
        let text = number.to_string();
        let (head, tail) = text.split_at(text.len() - 3);
        format!("{head},{tail}").replacen("7000,", "7,000,", 1)
    };
    let words = &document.0["paths"]["/v1/renders"]["post"]["description"].as_str().unwrap();
    let said = [
        format!("{} bytes", with_commas(MAX_PICTURE_BYTES)),
        format!("{MIN_SIDE} to {} pixels", with_commas(MAX_SIDE.into())),
        format!("{} megapixels", MAX_PIXELS / 1_000_000),
    ];
    for limit in said {
        assert!(words.contains(&limit), "{limit}");
    }
    let too_large = &document.0["components"]["responses"]["TooLarge"]["description"];
    assert!(too_large.as_str().unwrap().contains(&with_commas(MAX_BODY_BYTES as u64)));
}
