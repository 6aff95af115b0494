//! Parsers of the providers' answers, each by itself, with what must hold of any answer: no panic, and no
//! success that the bytes do not bear out. `fuzz/` feeds them; `tests/corpora.rs` replays what it found.

use http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER};

pub use crate::google::fuzzing::{
    access_token, error, job, job_list, online, predict, result_file, uploaded,
};
pub use crate::replicate::fuzzing::{prediction, prediction_list, problem};

/// A parser, given any bytes.
pub type Target = fn(&[u8]);

/// All of them, by the names of their targets and corpora.
pub const TARGETS: [(&str, Target); 11] = [
    ("access_token", access_token),
    ("error", error),
    ("job", job),
    ("job_list", job_list),
    ("online", online),
    ("predict", predict),
    ("prediction", prediction),
    ("prediction_list", prediction_list),
    ("problem", problem),
    ("result_file", result_file),
    ("uploaded", uploaded),
];

/// A status and the body behind it, which stands in a header as well; none where that is no refusal.
pub(crate) fn refusal(bytes: &[u8]) -> Option<(StatusCode, HeaderMap, &[u8])> {
    let (head, body) = bytes.split_first_chunk::<2>()?;
    let status = StatusCode::from_u16(u16::from_be_bytes(*head)).ok()?;
    let mut headers = HeaderMap::new();
    if let Ok(wait) = HeaderValue::from_bytes(body) {
        headers.insert(RETRY_AFTER, wait);
    }
    (!status.is_success()).then_some((status, headers, body))
}
