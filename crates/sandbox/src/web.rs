//! Small things of HTTP: queries, forms, base addresses.

use http::{HeaderMap, Uri, header};

/// The value of `name` in a query or a form, decoded.
pub(crate) fn field(encoded: &str, name: &str) -> Option<String> {
    let pairs = encoded.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.into_iter().find(|(key, _)| decode(key) == name).map(|(_, value)| decode(value))
}

pub(crate) fn query(uri: &Uri, name: &str) -> Option<String> {
    field(uri.query().unwrap_or_default(), name)
}

fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
                let value = digit().unwrap_or_default() * 16 + digit().unwrap_or_default();
                u8::try_from(value).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The scheme and host under which the caller reached us.
pub(crate) fn base(uri: &Uri, headers: &HeaderMap) -> String {
    if let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) {
        return format!("{scheme}://{authority}");
    }
    format!("http://{}", text(headers, header::HOST.as_str()).unwrap_or("localhost"))
}

/// A header as text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_forms() {
        let form = "grant_type=urn%3Aietf%3Ajwt-bearer&assertion=a.b+c&empty";
        assert_eq!(field(form, "grant_type").as_deref(), Some("urn:ietf:jwt-bearer"));
        assert_eq!(field(form, "assertion").as_deref(), Some("a.b c"));
        assert_eq!(field(form, "empty").as_deref(), Some(""));
        assert_eq!(field(form, "other"), None);
    }
}
