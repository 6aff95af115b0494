//! The result file, row by row as it streams in.

use std::{borrow::Cow, collections::BTreeMap, io};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    Stream, TryStreamExt,
    stream::{self, BoxStream},
};
use serde::Deserialize;
use tryon_core::{
    catalogue::Usage,
    ids::RenderId,
    outcome::FailClass,
    ports::{Answer, ByteStream, CallError, ResultRow, RowAnswer},
};

use super::{
    job::RpcStatus,
    lines::{Line, Lines},
};
use crate::{
    errors::Purpose,
    google::answer::Response,
    read::{or_none, text},
};

/// The longest row that is read, in bytes; a 4K picture takes about 10 MB in base64.
const LONGEST: usize = 64 << 20;
/// What some writers begin a UTF-8 file with. It is no part of the first row.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Row<'a> {
    #[serde(borrow, deserialize_with = "text")]
    key: Cow<'a, str>,
    #[serde(deserialize_with = "or_none")]
    metadata: RowMetadata<'a>,
    response: Option<Response<'a>>,
    error: Option<RpcStatus>,
}

/// Where inline rows have their key.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct RowMetadata<'a> {
    #[serde(borrow, deserialize_with = "text")]
    key: Cow<'a, str>,
}

/// Opens the file again from a byte on. The answer says from which byte its stream really is.
#[async_trait]
pub(super) trait Reopen: Send + Sync {
    async fn reopen(&self, from: u64) -> Result<(ByteStream, u64), CallError>;
    /// Waits before the `n`-th time.
    async fn pause(&self, n: u32);
}

/// How often a file that brings nothing new is opened again before its reader gives up.
const REOPENS: u32 = 4;

struct Reading<R> {
    /// None once it has ended.
    source: Option<BoxStream<'static, io::Result<Bytes>>>,
    lines: Lines,
    /// Bytes of the file that were received.
    received: u64,
    /// Bytes to come that were received before.
    known: u64,
    /// Breaks since the last row.
    breaks: u32,
    again: R,
    image_tokens: BTreeMap<RenderId, u32>,
}

/// The rows of `source`. A stream that breaks off goes on where it broke: what is large arrives in
/// slices. `image_tokens` is what the picture of each render counts for, where known.
pub(super) fn rows<R: Reopen + 'static>(
    source: ByteStream,
    again: R,
    image_tokens: BTreeMap<RenderId, u32>,
) -> impl Stream<Item = Result<ResultRow, CallError>> + Send + 'static {
    let start = Reading {
        source: Some(source),
        lines: Lines::new(LONGEST),
        received: 0,
        known: 0,
        breaks: 0,
        again,
        image_tokens,
    };
    stream::try_unfold(start, |mut reading| async move {
        let row = reading.next().await;
        Ok(row?.map(|row| (row, reading)))
    })
}

impl<R: Reopen> Reading<R> {
    async fn next(&mut self) -> Result<Option<ResultRow>, CallError> {
        loop {
            while let Some(line) = self.lines.next() {
                if let Some(row) = row(&line, &self.image_tokens) {
                    self.breaks = 0;
                    return Ok(Some(row));
                }
            }
            let Some(source) = &mut self.source else {
                return Ok(None);
            };
            match source.try_next().await {
                Ok(Some(piece)) => self.take(&piece),
                Ok(None) => {
                    self.source = None;
                    let last = self.lines.last();
                    if let Some(row) = last.and_then(|line| row(&line, &self.image_tokens)) {
                        return Ok(Some(row));
                    }
                }
                Err(error) => self.go_on(&error).await?,
            }
        }
    }

    fn take(&mut self, piece: &[u8]) {
        let known = usize::try_from(self.known).unwrap_or(usize::MAX).min(piece.len());
        self.known -= known as u64;
        self.received += (piece.len() - known) as u64;
        self.lines.push(&piece[known..]);
    }

    async fn go_on(&mut self, error: &io::Error) -> Result<(), CallError> {
        let lost = Purpose::Free.lost(format!("the result file broke off ({})", error.kind()));
        while self.breaks < REOPENS {
            self.breaks += 1;
            self.again.pause(self.breaks).await;
            match self.again.reopen(self.received).await {
                // A server that skipped more than was asked for leaves a hole.
                Ok((_, from)) if from > self.received => return Err(lost),
                Ok((source, from)) => {
                    tracing::info!(from, received = self.received, "a result file is read on");
                    self.known = self.received - from;
                    self.source = Some(source);
                    return Ok(());
                }
                Err(error) => tracing::warn!(%error, "a result file could not be read on"),
            }
        }
        Err(lost)
    }
}

/// None for an empty line.
fn row(line: &Line, image_tokens: &BTreeMap<RenderId, u32>) -> Option<ResultRow> {
    let Line::Whole(line) = line else {
        return Some(unreadable());
    };
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    if line.iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    let row = serde_json::from_slice::<Row<'_>>(line);
    Some(row.map_or_else(|_| unreadable(), |row| row.read(image_tokens)))
}

fn unreadable() -> ResultRow {
    ResultRow { render_id: None, answer: failed(FailClass::Provider) }
}

fn failed(class: FailClass) -> Answer {
    Answer { given: RowAnswer::Failed(class), usage: None }
}

impl Row<'_> {
    fn read(&self, image_tokens: &BTreeMap<RenderId, u32>) -> ResultRow {
        let key = [&self.key, &self.metadata.key].into_iter().find(|key| !key.is_empty());
        let render_id = key.map(|key| RenderId::from(key.as_ref()));
        let image_tokens = render_id.as_ref().and_then(|id| image_tokens.get(id).copied());
        let answer = match (&self.response, &self.error) {
            (Some(response), _) => response.answer(image_tokens),
            // Google bills no row that it answers with an error.
            (None, Some(error)) => {
                Answer { usage: Some(Usage::default()), ..failed(error.class()) }
            }
            (None, None) => failed(FailClass::Provider),
        };
        ResultRow { render_id, answer }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::StreamExt;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        google::testing::answer_json,
        testing::{block_on, pieces},
    };

    type Told = Vec<Result<(Option<String>, &'static str), ()>>;

    /// What is opened again: a stream from the byte it really is from.
    type Opening = Box<dyn FnMut(u64) -> Result<(ByteStream, u64), CallError> + Send>;

    struct Again(Mutex<Opening>);

    #[async_trait]
    impl Reopen for Again {
        async fn reopen(&self, from: u64) -> Result<(ByteStream, u64), CallError> {
            (self.0.lock().unwrap())(from)
        }

        async fn pause(&self, _n: u32) {}
    }

    fn gone() -> Again {
        Again(Mutex::new(Box::new(|_| Err(Purpose::Free.lost("gone")))))
    }

    fn told(source: ByteStream) -> Told {
        told_with(source, gone())
    }

    fn told_with(source: ByteStream, again: Again) -> Told {
        let of = |row: ResultRow| {
            let kind = match row.answer.given {
                RowAnswer::Picture(_) => "picture",
                RowAnswer::Refused => "refused",
                RowAnswer::Failed(FailClass::Invalid) => "invalid",
                RowAnswer::Failed(_) => "failed",
            };
            (row.render_id.map(|id| id.to_string()), kind)
        };
        block_on(
            rows(source, again, BTreeMap::new()).map(|row| row.map(of).map_err(drop)).collect(),
        )
    }

    fn file() -> String {
        let rows = [
            json!({"response": answer_json(), "key": "r-2"}).to_string(),
            json!({"key": "r-1", "error": {"code": 3, "message": "words"}}).to_string(),
            "{\"key\": \"r-9\", \"resp".to_owned(),
            String::new(),
            json!({"key": "r-3", "response": {"promptFeedback": {"blockReason": "SAFETY"}}})
                .to_string(),
            json!({"metadata": {"key": "r-4"}, "error": {"code": 14}}).to_string(),
            json!({"response": {}}).to_string(),
            json!({"key": "r-5"}).to_string(),
        ];
        rows.join("\n")
    }

    fn expected() -> Told {
        let row = |id: &str, kind| Ok((Some(id.to_owned()), kind));
        vec![
            row("r-2", "picture"),
            row("r-1", "invalid"),
            Ok((None, "failed")),
            row("r-3", "refused"),
            row("r-4", "failed"),
            Ok((None, "failed")),
            row("r-5", "failed"),
        ]
    }

    #[test]
    fn one_bad_row_costs_no_other() {
        assert_eq!(told(pieces(file().as_bytes(), 1_000, false)), expected());
    }

    fn read(row: &serde_json::Value, image_tokens: BTreeMap<RenderId, u32>) -> ResultRow {
        let file = pieces(row.to_string().as_bytes(), 1_000, false);
        let mut rows = block_on(rows(file, gone(), image_tokens).collect::<Vec<_>>());
        rows.remove(0).unwrap()
    }

    #[test]
    fn null_is_as_good_as_missing() {
        let mut answer = answer_json();
        answer["promptFeedback"] = json!(null);
        answer["usageMetadata"]["candidatesTokensDetails"] = json!(null);
        let parts = &mut answer["candidates"][0]["content"]["parts"];
        parts[1]["inlineData"] = json!(null);
        parts[2]["thought"] = json!(null);
        parts.as_array_mut().unwrap().push(json!(null));
        for (key, metadata) in [(json!("r-1"), json!(null)), (json!(null), json!({"key": "r-1"}))] {
            let row = json!({"key": key, "metadata": metadata, "error": null, "response": answer});
            let row = read(&row, BTreeMap::new());
            assert_eq!(row.render_id.unwrap().as_str(), "r-1");
            assert!(matches!(row.answer.given, RowAnswer::Picture(_)));
            assert!(row.answer.usage.is_some());
        }
        for none in ["candidates", "content", "parts"] {
            let mut answer = answer_json();
            match none {
                "candidates" => answer[none] = json!(null),
                "content" => answer["candidates"][0][none] = json!(null),
                _ => answer["candidates"][0]["content"][none] = json!(null),
            }
            let row = read(&json!({"key": "r-1", "response": answer}), BTreeMap::new());
            assert_eq!(row.answer.given, RowAnswer::Failed(FailClass::NoImage), "{none}");
            assert_eq!(row.render_id.unwrap().as_str(), "r-1");
        }
    }

    #[test]
    fn words_beside_a_picture_cost_what_words_cost() {
        let mut answer = answer_json();
        answer["usageMetadata"]["candidatesTokenCount"] = json!(1_150);
        let row = json!({"key": "r-1", "response": answer});
        let known = BTreeMap::from([(RenderId::from("r-1"), 1_120)]);
        let usage = Usage { input: 2_440, image: 1_120, text: 210 };
        assert_eq!(read(&row, known).answer.usage, Some(usage));
        // Of a render that nobody knows, all counts as the picture.
        let usage = Usage { image: 1_150, text: 180, ..usage };
        assert_eq!(read(&row, BTreeMap::new()).answer.usage, Some(usage));
    }

    #[test]
    fn a_mark_before_the_first_row_and_line_ends_of_two_bytes_cost_none() {
        let file = format!("\u{feff}{}\r\n", file().replace('\n', "\r\n"));
        assert_eq!(told(pieces(file.as_bytes(), 1_000, false)), expected());
    }

    #[test]
    fn a_cut_ends_the_stream() {
        let cut = told(pieces(file().as_bytes(), 700, true));
        let (last, before) = cut.split_last().unwrap();
        assert_eq!(*last, Err(()));
        assert_eq!(before, &expected()[..before.len()]);
    }

    /// Opens the file anew: from the byte asked for, or from its first where ranges are not known; it
    /// breaks off after `slice` bytes each time.
    fn in_slices_of(slice: usize, ranges: bool) -> Again {
        Again(Mutex::new(Box::new(move |from| {
            let start = if ranges { usize::try_from(from).unwrap() } else { 0 };
            let file = file();
            let rest = &file.as_bytes()[start..];
            // Without ranges it gets further each time.
            let slice = if ranges { slice } else { slice + usize::try_from(from).unwrap() };
            let end = slice.min(rest.len());
            let cut = (end < rest.len()).then(|| Err(io::ErrorKind::ConnectionReset.into()));
            let good = rest[..end].chunks(97).map(|piece| Ok(Bytes::copy_from_slice(piece)));
            let all: Vec<_> = good.chain(cut).collect();
            Ok((stream::iter(all).boxed(), start as u64))
        })))
    }

    #[test]
    fn a_file_that_breaks_off_is_read_on() {
        for ranges in [true, false] {
            // A slice may be far smaller than a row.
            for slice in [400, 700, 5_000] {
                let again = in_slices_of(slice, ranges);
                let (first, _) = (again.0.lock().unwrap())(0).unwrap();
                assert_eq!(told_with(first, again), expected(), "{slice} {ranges}");
            }
        }
    }

    #[test]
    fn a_file_that_brings_nothing_new_is_given_up() {
        let again = Again(Mutex::new(Box::new(|from| {
            let broken = stream::iter([Err(io::ErrorKind::ConnectionReset.into())]);
            Ok((broken.boxed(), from))
        })));
        let cut = told_with(pieces(file().as_bytes(), 700, true), again);
        assert_eq!(cut.last(), Some(&Err(())));
        // What is skipped was never seen.
        let again = Again(Mutex::new(Box::new(|from| Ok((stream::empty().boxed(), from + 1)))));
        let cut = told_with(pieces(file().as_bytes(), 700, true), again);
        assert_eq!(cut.last(), Some(&Err(())));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(piece in 1..300_usize) {
            prop_assert_eq!(told(pieces(file().as_bytes(), piece, false)), expected());
        }

        #[test]
        fn any_file_is_survived(file: Vec<u8>, piece in 1..50_usize) {
            prop_assert!(told(pieces(&file, piece, false)).iter().all(Result::is_ok));
        }
    }
}
