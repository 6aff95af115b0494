//! Rows of an uploaded file, read as they stream in; of each only what its answer follows from is
//! kept.

use serde::Deserialize;

use crate::{
    auth::Product,
    generate::{Draft, GenerateRequest},
    lots::{self, Hash},
    rpc::ApiError,
    shelf::Shelf,
};

/// The longest line taken, in bytes.
const MAX_LINE: usize = 128 << 20;

#[derive(Debug)]
pub(super) struct Row {
    /// Absent where the line cannot be read.
    pub(super) key: Option<String>,
    pub(super) about: Hash,
    pub(super) draft: Result<Draft, ApiError>,
}

#[derive(Deserialize)]
struct Line<'a> {
    key: Option<String>,
    #[serde(borrow)]
    request: Option<GenerateRequest<'a>>,
}

/// What can be said of a line whose request cannot be read.
#[derive(Deserialize)]
struct Named {
    key: Option<String>,
}

impl Row {
    fn read(line: &[u8], shelf: &Shelf) -> Self {
        let about = lots::hash(&[line]);
        match serde_json::from_slice::<Line<'_>>(line) {
            Ok(Line { key, request }) => {
                let request = request.ok_or_else(|| ApiError::invalid("request is not specified"));
                let draft = request.and_then(|r| Draft::of(r, Product::Developer, shelf));
                Self { key, about, draft }
            }
            Err(error) => {
                let key = serde_json::from_slice::<Named>(line).ok().and_then(|named| named.key);
                Self { key, about, draft: Err(ApiError::json(&error)) }
            }
        }
    }
}

/// Cuts a stream into rows.
#[derive(Debug, Default)]
pub(super) struct Reader {
    begun: Vec<u8>,
    rows: Vec<Row>,
}

impl Reader {
    pub(super) fn feed(&mut self, mut piece: &[u8], inputs: &Shelf) -> Result<(), ApiError> {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = piece.split_at(end);
            self.begun.extend_from_slice(line);
            self.end_line(inputs);
            piece = &rest[1..];
        }
        self.begun.extend_from_slice(piece);
        if self.begun.len() > MAX_LINE {
            return Err(ApiError::invalid("A line of the file is too long."));
        }
        Ok(())
    }

    /// All rows, the last of which need not end with a newline.
    pub(super) fn finish(mut self, inputs: &Shelf) -> Vec<Row> {
        self.end_line(inputs);
        self.rows
    }

    fn end_line(&mut self, inputs: &Shelf) {
        let line = self.begun.trim_ascii();
        if !line.is_empty() {
            self.rows.push(Row::read(line, inputs));
        }
        self.begun.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(
        r#"{"key":"a","request":{"contents":[{"role":"user","parts":[{"text":"x"}]}]}}"#,
        "\r\n\n",
        r#"{"key":"b","request":{"contents":[]}}"#,
        "\nnonsense\n",
        r#"{"request":{"contents":[{"parts":[{"text":"y"}]}]},"key":"c"}"#,
    );

    #[test]
    fn pieces_may_cut_lines_anywhere() {
        let shelf = Shelf::new(true);
        for size in [1, 7, 64, 4_096] {
            let mut reader = Reader::default();
            for piece in FILE.as_bytes().chunks(size) {
                reader.feed(piece, &shelf).unwrap();
            }
            let rows = reader.finish(&shelf);
            let keys: Vec<_> = rows.iter().map(|row| row.key.as_deref()).collect();
            assert_eq!(keys, [Some("a"), Some("b"), None, Some("c")]);
            let good: Vec<_> = rows.iter().map(|row| row.draft.is_ok()).collect();
            assert_eq!(good, [true, false, false, true]);
        }
    }
}
