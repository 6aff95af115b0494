use chrono::{DateTime, Utc};
use tryon_core::{
    ids::AttemptId,
    outcome::FailClass,
    ports::{CallError, PredictionPhase},
};

use super::{
    REPLICATE_URL,
    errors::Refusal,
    record::{Page, Record},
};
use crate::{errors::Purpose, fuzzing::refusal, url::is_id};

const ATTEMPT: &str = "r-1/sdxl/1";
/// When the corpora's predictions were made.
const THEN: &str = "2026-11-23T10:00:00Z";

fn then() -> DateTime<Utc> {
    THEN.parse().unwrap_or_default()
}

pub fn prediction(bytes: &[u8]) {
    let Some(record) = Record::parse(bytes) else { return };
    assert!(record.job().is_none_or(|job| is_id(job.as_str())), "no id of theirs");
    assert!(record.code().is_none_or(|code| code.len() <= 6), "their words came through");
    let Some(prediction) = record.prediction(then()) else { return };
    match prediction.phase {
        PredictionPhase::Succeeded { pictures } => {
            assert!(holds(bytes, "succeeded"), "nothing says that it succeeded");
            assert!(pictures.iter().map(String::len).sum::<usize>() <= bytes.len());
        }
        PredictionPhase::Gone => assert!(holds(bytes, "succeeded"), "nothing was there"),
        PredictionPhase::Refused | PredictionPhase::Failed(_) => {
            assert!(holds(bytes, "failed"), "nothing says that it failed");
        }
        PredictionPhase::Starting
        | PredictionPhase::Running
        | PredictionPhase::Cancelled
        | PredictionPhase::Aborted
        | PredictionPhase::Unrecognised => {}
    }
}

pub fn prediction_list(bytes: &[u8]) {
    let Some(page) = Page::parse(bytes) else { return };
    let attempt = AttemptId::from(ATTEMPT);
    if let Some(found) = page.oldest_for(&attempt, then(), None) {
        assert!(is_id(found.job.as_str()), "no id of theirs");
        // An address may have escapes of its own.
        assert!(holds(bytes, ATTEMPT) || bytes.contains(&b'%'), "made for another");
        let again = page.oldest_for(&attempt, then(), Some(found.clone()));
        assert_eq!(again, Some(found), "no page has an older one than its oldest");
    }
    let list = format!("{REPLICATE_URL}/predictions");
    let next = page.next(&list);
    assert!(next.is_none_or(|next| next.starts_with(&format!("{list}?"))), "no list of ours");
}

/// A status, then the body of a problem.
pub fn problem(bytes: &[u8]) {
    let Some((status, headers, body)) = refusal(bytes) else { return };
    for purpose in [Purpose::Purchase, Purpose::Free] {
        let error = Refusal::parse(status, &headers, body).into_call_error(purpose);
        let nothing_made = matches!(error, CallError::NotCreated { .. });
        let buys = purpose == Purpose::Purchase;
        assert!(!(buys && nothing_made) || status.as_u16() == 429, "{status} is no proof");
        let account = matches!(error, CallError::Rejected { class: FailClass::Account, .. });
        assert_eq!(account, matches!(status.as_u16(), 401 | 402), "{status} shuts everybody out");
        assert!(error.to_string().len() < 400, "their words came through");
    }
}

/// Whether the text stands there, as it is or with escapes.
fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes()) || bytes.contains(&b'\\')
}
