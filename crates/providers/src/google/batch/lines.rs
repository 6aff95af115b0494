//! Cuts a stream into lines, holding no more than one of them.

use bytes::{Bytes, BytesMut};

/// One line without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Bytes),
    /// Longer than the cap, and skipped.
    TooLong,
}

#[derive(Debug)]
pub(super) struct Lines {
    cap: usize,
    held: BytesMut,
    /// How much of `held` is known to hold no line end.
    searched: usize,
    skipping: bool,
}

impl Lines {
    /// `cap` is the length of the longest line that is kept, in bytes.
    pub(super) fn new(cap: usize) -> Self {
        Self { cap, held: BytesMut::new(), searched: 0, skipping: false }
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    /// The next line that is there in full.
    pub(super) fn next(&mut self) -> Option<Line> {
        let found = memchr::memchr(b'\n', &self.held[self.searched..]);
        let Some(at) = found else {
            self.searched = self.held.len();
            if self.skipping || self.searched > self.cap {
                self.skipping = true;
                self.held.clear();
                self.searched = 0;
            }
            return None;
        };
        let line = self.held.split_to(self.searched + at + 1);
        self.searched = 0;
        Some(self.line(line.freeze()))
    }

    /// What stands after the last line end.
    pub(super) fn last(&mut self) -> Option<Line> {
        let rest = self.held.split().freeze();
        self.searched = 0;
        (self.skipping || !rest.is_empty()).then(|| self.line(rest))
    }

    fn line(&mut self, mut line: Bytes) -> Line {
        while line.last().is_some_and(u8::is_ascii_whitespace) {
            line.truncate(line.len() - 1);
        }
        if std::mem::take(&mut self.skipping) || line.len() > self.cap {
            return Line::TooLong;
        }
        Line::Whole(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut<'a>(pieces: impl Iterator<Item = &'a [u8]>, cap: usize) -> (Vec<Line>, usize) {
        let mut lines = Lines::new(cap);
        let (mut all, mut most) = (Vec::new(), 0);
        for piece in pieces {
            lines.push(piece);
            while let Some(line) = lines.next() {
                all.push(line);
            }
            most = most.max(lines.held.len());
        }
        all.extend(lines.last());
        (all, most)
    }

    #[test]
    fn cuts_at_line_ends() {
        let (lines, _) = cut([&b"ab\n\nc"[..], b"d\r\nlast"].into_iter(), 9);
        let expected = ["ab", "", "cd", "last"].map(|line| Line::Whole(Bytes::from(line)));
        assert_eq!(lines, expected);
    }

    #[test]
    fn skips_a_line_that_is_too_long() {
        let text = b"1234567890\nok\n123456789012";
        let (lines, most) = cut(text.chunks(3), 4);
        assert_eq!(lines, [Line::TooLong, Line::Whole("ok".into()), Line::TooLong]);
        assert!(most <= 6, "{most}");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in "[ab\n]{0,60}", piece in 1..10_usize, cap in 1..8_usize) {
            let (lines, most) = cut(text.as_bytes().chunks(piece), cap);
            let (whole, _) = cut(std::iter::once(text.as_bytes()), cap);
            prop_assert_eq!(lines, whole);
            prop_assert!(most <= cap + piece);
        }
    }
}
