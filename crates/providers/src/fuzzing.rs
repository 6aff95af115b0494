//! Parsers of the providers' answers, each by itself, with what must hold of any answer: no panic, and no
//! success that the bytes do not bear out. `fuzz/` feeds them; `tests/corpora.rs` replays what it found.

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
