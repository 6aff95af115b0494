//! The result file, row by row as it streams in.

use std::{borrow::Cow, io};

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
use crate::{errors::Purpose, google::answer::Response};

/// The longest row that is read, in bytes; a 4K picture takes about 10 MB in base64.
const LONGEST: usize = 64 << 20;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Row<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    metadata: RowMetadata<'a>,
    response: Option<Response<'a>>,
    error: Option<RpcStatus>,
}

/// Where inline rows have their key.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct RowMetadata<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
}

struct Reading {
    /// None once it has ended.
    source: Option<BoxStream<'static, io::Result<Bytes>>>,
    lines: Lines,
}

pub(super) fn rows(
    source: ByteStream,
) -> impl Stream<Item = Result<ResultRow, CallError>> + Send + 'static {
    let start = Reading { source: Some(source), lines: Lines::new(LONGEST) };
    stream::try_unfold(start, |mut reading| async move {
        let row = reading.next().await;
        Ok(row?.map(|row| (row, reading)))
    })
}

impl Reading {
    async fn next(&mut self) -> Result<Option<ResultRow>, CallError> {
        loop {
            while let Some(line) = self.lines.next() {
                if let Some(row) = row(&line) {
                    return Ok(Some(row));
                }
            }
            let Some(source) = &mut self.source else {
                return Ok(None);
            };
            match source.try_next().await {
                Ok(Some(piece)) => self.lines.push(&piece),
                Ok(None) => {
                    self.source = None;
                    if let Some(row) = self.lines.last().and_then(|line| row(&line)) {
                        return Ok(Some(row));
                    }
                }
                Err(error) => {
                    let reason = format!("the result file broke off ({})", error.kind());
                    return Err(Purpose::Free.lost(reason));
                }
            }
        }
    }
}

/// None for an empty line.
fn row(line: &Line) -> Option<ResultRow> {
    let Line::Whole(line) = line else {
        return Some(unreadable());
    };
    if line.iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    Some(serde_json::from_slice(line).map_or_else(|_| unreadable(), |row: Row<'_>| row.read()))
}

fn unreadable() -> ResultRow {
    ResultRow { render_id: None, answer: failed(FailClass::Provider) }
}

fn failed(class: FailClass) -> Answer {
    Answer { given: RowAnswer::Failed(class), usage: None }
}

impl Row<'_> {
    fn read(&self) -> ResultRow {
        let key = [&self.key, &self.metadata.key].into_iter().find(|key| !key.is_empty());
        let answer = match (&self.response, &self.error) {
            (Some(response), _) => response.answer(None),
            // Google bills no row that it answers with an error.
            (None, Some(error)) => {
                Answer { usage: Some(Usage::default()), ..failed(error.class()) }
            }
            (None, None) => failed(FailClass::Provider),
        };
        ResultRow { render_id: key.map(|key| RenderId::from(key.as_ref())), answer }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        google::testing::answer_json,
        testing::{block_on, pieces},
    };

    type Told = Vec<Result<(Option<String>, &'static str), ()>>;

    fn told(source: ByteStream) -> Told {
        let of = |row: ResultRow| {
            let kind = match row.answer.given {
                RowAnswer::Picture(_) => "picture",
                RowAnswer::Refused => "refused",
                RowAnswer::Failed(FailClass::Invalid) => "invalid",
                RowAnswer::Failed(_) => "failed",
            };
            (row.render_id.map(|id| id.to_string()), kind)
        };
        block_on(rows(source).map(|row| row.map(of).map_err(drop)).collect())
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

    #[test]
    fn a_cut_ends_the_stream() {
        let cut = told(pieces(file().as_bytes(), 700, true));
        let (last, before) = cut.split_last().unwrap();
        assert_eq!(*last, Err(()));
        assert_eq!(before, &expected()[..before.len()]);
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
