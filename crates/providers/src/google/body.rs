//! Request bodies made of text and of pictures that are read, and encoded, while they are sent:
//! memory stays bounded, and the exact length is known ahead.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use tryon_core::{
    picture::PictureRef,
    ports::{Body, ByteStream, Objects, PortError},
};

#[derive(Clone, Debug)]
enum Segment {
    Text(Bytes),
    /// The picture's bytes in base64.
    Picture(PictureRef),
}

/// A body in the making. Cheap to clone, so that it can be sent again.
#[derive(Clone, Debug, Default)]
pub(super) struct Segments {
    parts: Vec<Segment>,
    text: String,
}

/// Whether a body could not be read to its end by us: what was sent of it is no whole request.
#[derive(Clone, Debug, Default)]
pub(super) struct Broke(Arc<AtomicBool>);

impl Broke {
    /// The request is sent anew.
    pub(super) fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    pub(super) fn happened(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Segments {
    pub(super) fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(super) fn picture(&mut self, picture: &PictureRef) {
        self.end_text();
        self.parts.push(Segment::Picture(picture.clone()));
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.parts.push(Segment::Text(text.into()));
        }
    }

    /// The exact length in bytes.
    pub(super) fn length(&self) -> u64 {
        let part = |segment: &Segment| match segment {
            Segment::Text(text) => text.len() as u64,
            Segment::Picture(picture) => picture.bytes.div_ceil(3) * 4,
        };
        self.parts.iter().map(part).sum::<u64>() + self.text.len() as u64
    }

    pub(super) fn into_body(self, objects: Arc<dyn Objects>, broke: &Broke) -> Body {
        let broke = broke.clone();
        let length = self.length();
        let stream = self.into_stream(objects);
        let watched = stream.inspect_err(move |_| broke.0.store(true, Ordering::Relaxed));
        Body::streamed(length, watched.boxed())
    }

    pub(super) fn into_stream(mut self, objects: Arc<dyn Objects>) -> ByteStream {
        self.end_text();
        let bytes = move |segment| match segment {
            Segment::Text(text) => stream::once(async { Ok(text) }).boxed(),
            Segment::Picture(picture) => encoded(objects.clone(), picture),
        };
        stream::iter(self.parts).flat_map(bytes).boxed()
    }
}

/// The picture in base64; an error where it is not exactly as long as its reference says.
fn encoded(
    objects: Arc<dyn Objects>,
    picture: PictureRef,
) -> BoxStream<'static, io::Result<Bytes>> {
    let opened = async move {
        let found = objects.get(&picture.key).await.map_err(|error| match error {
            PortError::Unavailable(reason) | PortError::Broken(reason) => io::Error::other(reason),
        })?;
        let source = found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok::<_, io::Error>(encode_pieces(source, picture.bytes))
    };
    stream::once(opened).try_flatten().boxed()
}

fn encode_pieces(source: ByteStream, length: u64) -> BoxStream<'static, io::Result<Bytes>> {
    let start = Some((source, Encoder { carry: Vec::new(), left: length }));
    stream::try_unfold(start, |state| async move {
        let Some((mut source, mut encoder)) = state else {
            return Ok(None);
        };
        match source.try_next().await? {
            Some(piece) => {
                let text = encoder.push(&piece)?;
                Ok(Some((text, Some((source, encoder)))))
            }
            None => Ok(Some((encoder.finish()?, None))),
        }
    })
    .try_filter(|text| std::future::ready(!text.is_empty()))
    .boxed()
}

struct Encoder {
    /// Up to two bytes that do not fill a group of three yet.
    carry: Vec<u8>,
    left: u64,
}

impl Encoder {
    fn push(&mut self, piece: &[u8]) -> io::Result<Bytes> {
        let left = self.left.checked_sub(piece.len() as u64);
        self.left = left.ok_or(io::ErrorKind::InvalidData)?;
        let mut text = String::with_capacity((self.carry.len() + piece.len()) / 3 * 4);
        let mut piece = piece;
        if !self.carry.is_empty() {
            let (head, rest) = piece.split_at(piece.len().min(3 - self.carry.len()));
            self.carry.extend_from_slice(head);
            piece = rest;
            if self.carry.len() == 3 {
                STANDARD.encode_string(&self.carry, &mut text);
                self.carry.clear();
            }
        }
        let (groups, rest) = piece.split_at(piece.len() / 3 * 3);
        STANDARD.encode_string(groups, &mut text);
        self.carry.extend_from_slice(rest);
        Ok(text.into())
    }

    fn finish(&mut self) -> io::Result<Bytes> {
        if self.left > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(STANDARD.encode(&self.carry).into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        google::testing::FakeObjects,
        read::{ReadError, whole},
        testing::{block_on, picture},
    };

    fn send(objects: FakeObjects, segments: Segments) -> (Result<Bytes, io::ErrorKind>, u64, bool) {
        let broke = Broke::default();
        let body = segments.into_body(Arc::new(objects), &broke);
        let length = body.length();
        let sent = block_on(whole(body.into_stream(), usize::MAX));
        let sent = sent.map_err(|error| match error {
            ReadError::Cut(kind) => kind,
            ReadError::TooLarge(_) => unreachable!(),
        });
        (sent, length, broke.happened())
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(bytes: Vec<u8>, piece in 1..20_usize, before in "[a-z]{0,5}") {
            let objects = FakeObjects::default().with("a", &bytes).in_pieces_of(piece);
            let mut segments = Segments::default();
            segments.text(&before);
            segments.picture(&picture("a", bytes.len() as u64));
            segments.text("!");
            let (sent, length, broke) = send(objects, segments);
            let expected = format!("{before}{}!", STANDARD.encode(&bytes));
            prop_assert_eq!(length, expected.len() as u64);
            prop_assert_eq!(sent.unwrap(), expected);
            prop_assert!(!broke);
        }
    }

    #[test]
    fn a_picture_of_another_length_breaks_the_body() {
        for (length, kind) in [(9, io::ErrorKind::InvalidData), (11, io::ErrorKind::UnexpectedEof)]
        {
            let mut segments = Segments::default();
            segments.picture(&picture("a", length));
            let (sent, _, broke) = send(FakeObjects::default().with("a", &[7; 10]), segments);
            assert_eq!(sent, Err(kind));
            assert!(broke);
        }
    }
}
