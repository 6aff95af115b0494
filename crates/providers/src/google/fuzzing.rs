use std::io;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use http::StatusCode;
use tryon_core::{
    catalogue::Usage,
    picture::Mime,
    ports::{Answer, CallError, ResultRow, RowAnswer},
};

use super::{
    answer::Response,
    batch::fuzzing::{file_name, jobs, operation, rows},
    errors::Refusal,
    predict, token,
};
use crate::{errors::Purpose, fuzzing::refusal};

/// A status, then the body of an error.
pub fn error(bytes: &[u8]) {
    let Some((status, headers, body)) = refusal(bytes) else { return };
    for purpose in [Purpose::Purchase, Purpose::Free] {
        let error = Refusal::parse(status, &headers, body).into_call_error(purpose);
        let refused = matches!(status.as_u16(), 429 | 503);
        let harmless = matches!(error, CallError::NotCreated { .. });
        let broken = status.is_server_error() || matches!(status.as_u16(), 408 | 409 | 499);
        assert!(
            !broken || refused || purpose == Purpose::Free || !harmless,
            "{status} is no proof"
        );
        assert!(error.to_string().len() < 400, "their words came through");
    }
}

pub fn online(bytes: &[u8]) {
    if let Ok(response) = Response::parse(bytes) {
        let answer = response.answer(Some(1_120));
        check(&answer, bytes.len());
        let drawn = matches!(answer.given, RowAnswer::Picture(_));
        assert!(answer.usage.is_none_or(|usage| usage.input > 0 && (usage.image > 0 || !drawn)));
        assert!(response.reason().is_none_or(|word| word.len() <= 60));
    }
}

pub fn predict(bytes: &[u8]) {
    if let Some(answer) = predict::parse(bytes) {
        check(&answer, bytes.len());
        let drawn = matches!(answer.given, RowAnswer::Picture(_));
        let usage = Usage { image: u64::from(drawn), ..Usage::default() };
        assert!(answer.usage == Some(usage) || (!drawn && answer.usage.is_none()));
    }
}

pub fn access_token(bytes: &[u8]) {
    if let Some((access, life)) = token::granted(bytes) {
        assert!(!access.reveal().is_empty() && (1..=86_400).contains(&life));
    }
    let error = token::TokenError::refused(StatusCode::BAD_REQUEST, bytes, None);
    assert!(error.to_string().len() < 400, "their words came through");
}

pub fn job(bytes: &[u8]) {
    operation(bytes);
}

pub fn job_list(bytes: &[u8]) {
    jobs(bytes);
}

pub fn uploaded(bytes: &[u8]) {
    if let Some(name) = file_name(bytes) {
        assert!(name.starts_with("files/") && !name.contains(".."));
    }
}

/// The first byte says in how large pieces the file arrives, and where its stream breaks off.
pub fn result_file(bytes: &[u8]) {
    let Some((&cut, file)) = bytes.split_first() else { return };
    let whole = read(file, file.len().max(1), None);
    let size = usize::from(cut % 31) + 1;
    assert_eq!(read(file, size, None), whole, "pieces matter");
    let at = file.len() * usize::from(cut) / 256;
    assert_eq!(read(file, size, Some(at)), whole, "a break matters");
    assert!(whole.len() <= memchr::memchr_iter(b'\n', file).count() + 1);
    for row in &whole {
        check(&row.answer, file.len());
    }
}

fn read(file: &[u8], size: usize, cut: Option<usize>) -> Vec<ResultRow> {
    let file = Bytes::copy_from_slice(file);
    let end = cut.unwrap_or(file.len());
    let pieces = |from: usize, to: usize| {
        let file = file.clone();
        let starts = (from..to).step_by(size);
        starts.map(move |at| Ok(file.slice(at..to.min(at + size)))).collect::<Vec<_>>()
    };
    let broken = cut.map(|_| Err(io::ErrorKind::ConnectionReset.into()));
    let first = stream::iter(pieces(0, end).into_iter().chain(broken)).boxed();
    let rest = pieces(end, file.len());
    let all = rows(first, end as u64, rest).collect::<Vec<_>>().now_or_never();
    let all = all.unwrap_or_default();
    all.into_iter().filter_map(Result::ok).collect()
}

/// A picture is one, and no larger than what it came in.
fn check(answer: &Answer, length: usize) {
    if let RowAnswer::Picture(picture) = &answer.given {
        assert_eq!(Mime::sniff(&picture.bytes), Some(picture.mime));
        assert!(picture.bytes.len() <= length);
    }
}
