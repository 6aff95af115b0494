//! What may be said of JSON that could not be read. serde's own words quote the values it met, and
//! those are customers' data: only its verdict and our own names are kept.

use std::fmt;

/// A reader's complaint without the data it complains about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault<'a> {
    MissingField(&'a str),
    /// Holds what would have been right.
    UnknownVariant(&'a str),
    /// Holds what would have been right.
    WrongType(&'a str),
    /// Holds what would have been right.
    WrongValue(&'a str),
    Other,
}

impl<'a> Fault<'a> {
    /// Reads the text of a serde error.
    pub(crate) fn of(text: &'a str) -> Self {
        let is_place =
            |tail: &str| tail.chars().all(|c| c.is_ascii_digit() || " column".contains(c));
        let text = match text.rsplit_once(" at line ") {
            Some((text, tail)) if is_place(tail) => text,
            _ => text,
        };
        // What was expected comes last, after the value.
        let expected = || text.rsplit_once(", expected ").map_or("another", |(_, right)| right);
        match text {
            _ if text.starts_with("missing field `") => {
                Self::MissingField(text.split('`').nth(1).unwrap_or_default())
            }
            _ if text.starts_with("unknown variant `") => Self::UnknownVariant(expected()),
            _ if text.starts_with("invalid type: ") => Self::WrongType(expected()),
            _ if text.starts_with("invalid value: ") => Self::WrongValue(expected()),
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingField(name) => write!(f, "missing field {name}"),
            Self::UnknownVariant(expected) => write!(f, "unknown variant, expected {expected}"),
            Self::WrongType(expected) => write!(f, "wrong type, expected {expected}"),
            Self::WrongValue(expected) => write!(f, "wrong value, expected {expected}"),
            Self::Other => f.write_str("not the JSON expected"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tryon_core::request::RenderRequest;

    use super::*;

    #[test]
    fn says_what_is_wrong_but_quotes_no_value() {
        let cases = [
            (r#"{"quality": "alice, expected nothing"}"#, "unknown variant, expected one of `sd`"),
            (r#"{"person": "alice at line 1"}"#, "wrong type, expected struct Person"),
            (r#"{"person": "alice at line ,"}"#, "wrong type, expected struct Person"),
            (r#"{"deadline_seconds": -77}"#, "wrong value, expected u32"),
            ("{}", "missing field person"),
            ("alice", "not the JSON expected"),
        ];
        for (json, expected) in cases {
            let error = serde_json::from_str::<RenderRequest<String>>(json).unwrap_err();
            let said = Fault::of(&error.to_string()).to_string();
            assert!(said.starts_with(expected), "{said}");
            assert!(!said.contains("alice") && !said.contains("77"), "{said}");
        }
    }

    #[test]
    fn a_value_that_looks_like_a_place_is_not_quoted() {
        let error =
            serde_json::from_value::<u32>("alice, expected x at line 7".into()).unwrap_err();
        assert_eq!(Fault::of(&error.to_string()), Fault::WrongType("u32"));
    }
}
