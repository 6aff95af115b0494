//! Reading answers without trusting them: bounded bytes, and counts in whichever form they come.

use std::{borrow::Cow, io};

use base64::{
    alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;
use tryon_core::ports::ByteStream;

/// Base64 with its padding or without.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the answer broke off ({0})")]
    Cut(io::ErrorKind),
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// The whole of an answer, up to `most` bytes.
pub(crate) async fn whole(mut body: ByteStream, most: usize) -> Result<Bytes, ReadError> {
    let mut pieces = BytesMut::new();
    while let Some(piece) = body.try_next().await.map_err(|error| ReadError::Cut(error.kind()))? {
        if pieces.len() + piece.len() > most {
            return Err(ReadError::TooLarge(most));
        }
        pieces.extend_from_slice(&piece);
    }
    Ok(pieces.freeze())
}

/// An int64 as Google writes it, as a string or as a number; zero for anything else.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64().unwrap_or_default(),
        Value::String(text) => text.parse().unwrap_or_default(),
        _ => 0,
    })
}

/// For a field that may be missing: `null` is as good as that.
pub(crate) fn or_none<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The same for a text, which is borrowed where it holds no escapes.
pub(crate) fn text<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Cow<'a, str>, D::Error> {
    Ok(Option::<Text<'a>>::deserialize(deserializer)?.unwrap_or_default().0)
}

/// A text that is borrowed inside of an option, too.
#[derive(Default, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The same for a list, and for what stands in it.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let all = Option::<Vec<Option<T>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(all.into_iter().flatten().collect())
}

/// For a field of a small answer: one of another shape than is known is none, and costs no other.
pub(crate) fn odd_or_none<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(T::deserialize(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// A word of an enum, for logs: anything else may be prose, which stays out of them.
pub(crate) fn enum_word(text: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (text.len() <= 60 && !text.is_empty() && text.bytes().all(plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    #[tokio::test]
    async fn reads_up_to_the_limit() {
        let body = || stream::iter([Ok(Bytes::from("abc")), Ok(Bytes::from("de"))]).boxed();
        assert_eq!(whole(body(), 5).await.unwrap(), "abcde");
        assert!(matches!(whole(body(), 4).await, Err(ReadError::TooLarge(4))));
        let cut = stream::iter([Ok(Bytes::from("a")), Err(io::ErrorKind::BrokenPipe.into())]);
        assert!(matches!(whole(cut.boxed(), 9).await, Err(ReadError::Cut(_))));
    }

    #[test]
    fn counts_in_any_form() {
        let of = |json: &str| count(&mut serde_json::Deserializer::from_str(json)).unwrap();
        assert_eq!([of("7"), of("\"7\""), of("-7"), of("null"), of("{}")], [7, 7, 0, 0, 0]);
    }

    #[test]
    fn null_is_as_good_as_missing() {
        let json = |json| serde_json::Deserializer::from_str(json);
        let number = |text| -> u64 { or_none(&mut json(text)).unwrap() };
        assert_eq!([number("null"), number("7")], [0, 7]);
        let numbers = |text| -> Vec<u64> { list(&mut json(text)).unwrap() };
        assert_eq!([numbers("[null, 7, null]"), numbers("null")], [vec![7], vec![]]);
        assert!(list::<_, u64>(&mut json("7")).is_err());
        assert_eq!(text(&mut json("null")).unwrap(), "");
        assert!(matches!(text(&mut json(r#""ab""#)).unwrap(), Cow::Borrowed("ab")));
        assert!(matches!(text(&mut json(r#""a\n""#)).unwrap(), Cow::Owned(_)));
    }

    #[test]
    fn what_is_odd_is_none() {
        let of = |json: &str| -> Option<bool> {
            odd_or_none(&mut serde_json::Deserializer::from_str(json)).unwrap()
        };
        assert_eq!([of("true"), of("null"), of("7"), of("[{}]")], [Some(true), None, None, None]);
    }

    #[test]
    fn prose_is_no_word() {
        assert_eq!(enum_word("IMAGE_SAFETY").as_deref(), Some("IMAGE_SAFETY"));
        assert_eq!(enum_word("Anna's photo"), None);
    }
}
