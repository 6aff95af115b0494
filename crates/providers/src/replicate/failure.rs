//! Why a prediction failed, by the code in parentheses where there is one.

use tryon_core::{outcome::FailClass, ports::PredictionPhase};

/// What the `error` of a failed prediction comes to; an empty one is not the model's.
pub(super) fn phase(error: Option<&str>) -> PredictionPhase {
    let Some(error) = error.filter(|error| !error.trim().is_empty()) else {
        return PredictionPhase::Failed(FailClass::Platform);
    };
    code(error).map_or_else(|| by_text(error), by_code)
}

/// The table of codes: `E001` to `E006` come from the wrappers of official models, the others from the
/// platform, which may have more than we know of.
fn by_code(code: &str) -> PredictionPhase {
    PredictionPhase::Failed(match code {
        // Out of credit, or a key refused.
        "E001" | "E002" => FailClass::Account,
        // High demand, unavailable, interrupted: these pass.
        "E003" | "E004" | "PA" => FailClass::Provider,
        // Flagged as sensitive.
        "E005" => return PredictionPhase::Refused,
        // Bad input, out of memory, no webhook.
        "E006" | "E1001" | "E4875" => FailClass::Invalid,
        // E1000 unknown, E6716 slow to start, E8367 stopped, E8765 unhealthy, E9243 not started, E98xx
        // inside.
        _ => FailClass::Platform,
    })
}

/// `PA`, or `E` and digits: `... (code: PA)`, `... (E005) (uIJ6...)`.
pub(super) fn code(error: &str) -> Option<&str> {
    let in_parentheses = error.split('(').skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    let bare = in_parentheses.map(|text| text.strip_prefix("code:").unwrap_or(text).trim());
    let is_code = |text: &&str| {
        let digits = text.strip_prefix('E').unwrap_or_default();
        *text == "PA"
            || (3..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    };
    bare.into_iter().find(is_code)
}

/// Without a code it is mostly a model's own exception, which would come again.
fn by_text(error: &str) -> PredictionPhase {
    let error = error.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| error.contains(part));
    if says(&["nsfw", "flagged as sensitive"]) {
        PredictionPhase::Refused
    } else if says(&["401 unauthorized", "unauthenticated", "402 payment", "insufficient credit"]) {
        // By prose alone nobody is shut out.
        PredictionPhase::Failed(FailClass::Setup)
    } else if says(&["prediction interrupted", "high demand", "temporarily unavail"]) {
        PredictionPhase::Failed(FailClass::Provider)
    } else if says(&["director:"]) {
        PredictionPhase::Failed(FailClass::Platform)
    } else {
        PredictionPhase::Failed(FailClass::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_signal_has_its_class() {
        let refused: &[&str] = &[
            "The input or output was flagged as sensitive. Please try again. (E005)",
            "The input was flagged as sensitive. (E005) (uIJ6aBc9)",
            "NSFW content detected. Try running it again, or try a different prompt.",
        ];
        let account: &[&str] = &["Out of provider credit (E001)", "Bad key (E002)"];
        let setup: &[&str] = &["Client error '401 Unauthorized' for url", "402 Payment Required"];
        let invalid: &[&str] = &[
            "The input is invalid (E006)",
            "Out of memory (code: E1001)",
            "Webhook URL is empty (E4875)",
            "Cannot find the trigger word 'img' in text prompt!",
            "Cannot use multiple trigger words 'img' in text prompt!",
            "list index out of range (most recent call last)",
            "cannot identify image file (sensitive to (EXIF) data)",
        ];
        let provider: &[&str] = &[
            "Prediction interrupted; please retry (code: PA)",
            "Prediction interrupted; please retry",
            "The service has high demand (E003)",
            "The service is temporarily unavailable (E004)",
        ];
        let platform: &[&str] = &[
            "",
            "Director: unexpected error handling prediction (E9828)",
            "Director: unexpected error handling prediction",
            "Unknown error (E1000)",
            "Start timeout (E6716)",
            "Stopped in non-terminal state (E8367)",
            "Health check failed (E8765)",
            "Failed to start (E9243)",
            "Upload failed (E9825)",
            "Something newer than this release (E2222)",
        ];
        let failed = PredictionPhase::Failed;
        let table = [
            (refused, PredictionPhase::Refused),
            (account, failed(FailClass::Account)),
            (setup, failed(FailClass::Setup)),
            (invalid, failed(FailClass::Invalid)),
            (provider, failed(FailClass::Provider)),
            (platform, failed(FailClass::Platform)),
        ];
        for (errors, expected) in table {
            for error in errors {
                assert_eq!(phase(Some(error)), expected, "{error}");
            }
        }
        assert_eq!(phase(None), failed(FailClass::Platform));
    }

    /// The rows of codes in the document, with their class.
    #[test]
    fn the_document_tells_each_code_as_it_is_classed() {
        let document = include_str!("../../../../docs/replicate.md");
        let rows =
            document.lines().filter(|line| line.starts_with("| `E") || line.starts_with("| `PA"));
        let mut told = 0;
        for row in rows {
            let (codes, class) = row.trim_matches('|').split_once('|').unwrap();
            for code in codes.split('`').skip(1).step_by(2) {
                let word = match by_code(code) {
                    PredictionPhase::Failed(class) => format!("`{}`", class.as_str()),
                    _ => "refused".to_owned(),
                };
                assert!(class.contains(&word), "{code}: {class}");
                told += 1;
            }
        }
        assert!(told >= 15, "{told}");
    }

    proptest! {
        #[test]
        fn any_text_is_classed(text: String, code_ in "[(][(E0-9PA)]{0,6}[)]?") {
            phase(Some(&text));
            phase(Some(&code_));
            prop_assert!(code(&text).is_none_or(str::is_ascii));
        }
    }
}
