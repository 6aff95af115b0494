use std::path::Path;

use tryon_sandbox::{CallKind, Fault, Rule, When};

use super::*;

fn live<'a>(stand: &'a Stand, command: &[&'a str]) -> Vec<&'a str> {
    [command, &["--replicate-endpoint", &stand.base]].concat()
}

fn render<'a>(stand: &'a Stand, out: &'a str) -> Vec<&'a str> {
    let command = ["render", "--replicate", "live", "--person", PERSON, "--garment", SHIRT];
    live(stand, &[&command[..], &["-o", out]].concat())
}

const TOKEN: &str = "REPLICATE_API_TOKEN";

#[test]
fn the_sandbox_lacks_nothing() {
    let (result, shown) = tryon(&["check", "replicate"], &[]);
    result.unwrap();
    assert_eq!(
        (shown.matches("good").count(), shown.matches("skipped").count()),
        (5, 1),
        "{shown}"
    );
}

#[test]
fn a_server_that_stands_in_for_replicate_lacks_nothing_and_makes_nothing() {
    let stand = Stand::new("check-replicate");
    let check = live(&stand, &["check", "replicate", "--live"]);
    let token = stand.sandbox.replicate_token();
    let (result, shown) = tryon(&check, &[(TOKEN, token)]);
    result.unwrap();
    assert!(shown.contains("of sandbox") && shown.contains("its version is there"), "{shown}");
    assert!(!shown.contains(token));
    assert_eq!(stand.sandbox.calls().keys().collect::<Vec<_>>(), [&CallKind::PredictionModel]);
}

#[test]
fn what_is_missing_is_said_with_the_fix() {
    let stand = Stand::new("missing-replicate");
    let check = live(&stand, &["check", "replicate", "--live"]);
    let (result, _) = tryon(&check, &[]);
    assert!(result.unwrap_err().to_string().contains("--replicate-token-file"));
    let (result, shown) = tryon(&check, &[(TOKEN, "r8_another")]);
    assert!(result.unwrap_err().to_string().contains("one thing is missing"));
    assert!(shown.contains("the token is refused") && !shown.contains("r8_another"), "{shown}");
    let maker = When::kind(CallKind::PredictionModel).key("tencentarc/photomaker");
    stand.sandbox.faults().push(Rule::new(maker, Fault::status(404)));
    let (result, shown) = tryon(&check, &[(TOKEN, stand.sandbox.replicate_token())]);
    assert!(result.is_err() && shown.contains("there is no such version"), "{shown}");
}

#[test]
fn a_token_gets_a_picture_on_the_legacy_route() {
    let stand = Stand::new("render-replicate");
    let (file, out) = (stand.key(), stand.out());
    fs::write(&file, stand.sandbox.replicate_token()).unwrap();
    let words = [&render(&stand, &out)[..], &["--replicate-token-file", &file]].concat();
    let (result, shown) = tryon(&words, &[]);
    result.unwrap();
    assert!(shown.contains("legacy (assigned)") && shown.contains("nano_banana"), "{shown}");
    assert!(fs::read(&out).unwrap().starts_with(&[0xff, 0xd8, 0xff]));
    assert_eq!(stand.sandbox.bill().charges.len(), 1);
    assert!(!shown.contains(stand.sandbox.replicate_token()));
}

#[test]
fn a_bad_token_is_told_before_anything_is_made() {
    let stand = Stand::new("refused-replicate");
    let out = stand.out();
    let (result, _) = tryon(&render(&stand, &out), &[(TOKEN, "r8_another")]);
    let error = result.unwrap_err().to_string();
    assert!(error.contains("the token is refused") && !error.contains("r8_another"), "{error}");
    assert!(!Path::new(&out).exists() && stand.sandbox.bill().charges.is_empty());
}
