//! Reading answers without trusting them: bounded bytes, and counts in whichever form they come.

use std::io;

use base64::{
    alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use serde::{Deserialize, Deserializer};
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
    fn prose_is_no_word() {
        assert_eq!(enum_word("IMAGE_SAFETY").as_deref(), Some("IMAGE_SAFETY"));
        assert_eq!(enum_word("Anna's photo"), None);
    }
}
