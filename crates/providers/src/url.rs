//! The little that is needed to build paths and queries.

use std::fmt::Write;

/// Percent-encodes all but the characters that stand for themselves everywhere in a URL.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else if write!(encoded, "%{byte:02X}").is_err() {
            // Writing to a string does not fail.
            break;
        }
    }
    encoded
}

/// Whether `name` is a resource of `collection`, such as `files/abc`, fit to stand in a path as it is.
pub(crate) fn is_resource(name: &str, collection: &str) -> bool {
    name.strip_prefix(collection).and_then(|rest| rest.strip_prefix('/')).is_some_and(is_id)
}

/// Whether the text is an id fit to stand in a path as it is.
pub(crate) fn is_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !text.is_empty() && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_what_means_something() {
        assert_eq!(encode("a-b_c.d~9"), "a-b_c.d~9");
        assert_eq!(encode("a/b ?&=+ü"), "a%2Fb%20%3F%26%3D%2B%C3%BC");
    }

    #[test]
    fn knows_resource_names() {
        assert!(is_resource("files/batch-3k_x", "files"));
        let wrong = ["files/", "files", "batches/a", "files/../x", "files/a/b", "files/a?x"];
        assert!(wrong.iter().all(|name| !is_resource(name, "files")));
    }
}
