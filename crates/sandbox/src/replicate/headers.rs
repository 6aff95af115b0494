//! What the headers of a call say.

use std::time::Duration;

use http::HeaderMap;

use super::problem::Problem;
use crate::{app::App, web};

/// The longest a create is held open, in seconds.
const LONGEST_WAIT: u64 = 60;
/// The shortest `Cancel-After`.
const SHORTEST: Duration = Duration::from_secs(5);

/// Whether the caller shows the token, after either word.
pub(super) fn authorized(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let shown = web::text(headers, "authorization").unwrap_or_default();
    let token = shown.strip_prefix("Bearer ").or_else(|| shown.strip_prefix("Token "));
    if token == Some(app.config.replicate_token.as_str()) {
        return Ok(());
    }
    Err(Problem::unauthenticated())
}

/// `Prefer: wait` or `wait=N`: seconds to hold the answer back for. Anything else is passed over.
pub(super) fn wait(headers: &HeaderMap) -> Option<u64> {
    let wish = web::text(headers, "prefer")?.strip_prefix("wait")?;
    if wish.is_empty() {
        return Some(LONGEST_WAIT);
    }
    let seconds = wish.strip_prefix('=')?.parse().ok()?;
    (1..=LONGEST_WAIT).contains(&seconds).then_some(seconds)
}

/// `Cancel-After`: how long after its creation a prediction is to end.
pub(super) fn cancel_after(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    let Some(text) = web::text(headers, "cancel-after") else { return Ok(None) };
    match duration(text) {
        Some(duration) if duration >= SHORTEST => Ok(Some(duration)),
        Some(_) => Err(Problem::unreadable("Cancel-After must be at least 5 seconds.")),
        None => Err(Problem::unreadable("Cancel-After is not a duration.")),
    }
}

/// `30s`, `5m`, `1h30m45s`, or a plain number of seconds.
fn duration(text: &str) -> Option<Duration> {
    let mut seconds = 0_u64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let (unit, after) = match after.as_bytes().first() {
            None => (1, ""),
            Some(b's') => (1, &after[1..]),
            Some(b'm') => (60, &after[1..]),
            Some(b'h') => (3_600, &after[1..]),
            Some(_) => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = after;
    }
    // What a date can bear.
    (seconds <= 1 << 32).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_four_spellings() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs());
        for (text, expected) in [("30s", 30), ("5m", 300), ("1h30m45s", 5_445), ("30", 30)] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for bad in ["", "s", "1d", "-5", "1h x", "5.5s", "99999999999999999999"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn waits_in_two_spellings() {
        let waits = |text: &'static str| {
            let headers = [("prefer".parse().unwrap(), text.parse().unwrap())];
            wait(&HeaderMap::from_iter(headers))
        };
        let given = ["wait", "wait=10", "wait=60", "wait=0", "wait=61", "respond-async"];
        assert_eq!(given.map(waits), [Some(60), Some(10), Some(60), None, None, None]);
    }
}
