//! A model that is gone, and one that thinks too long.

use super::*;
use crate::{catalogue::Catalogue, contract::fixtures::catalogue_without_lite, ids::EntryId};

/// HD's model gives way to the try-on model, that again to the first.
fn succession() -> ChainRules {
    let text = catalogue_without_lite();
    let medium = "[entry.nano-banana-1k-medium]\n";
    let with = format!("{medium}successor = \"virtual-try-on\"\n");
    let catalogue = Catalogue::parse(&text.replacen(medium, &with, 1)).unwrap();
    ChainRules { catalogue: catalogue.into(), ..rules(WHOLE_CHAIN) }
}

fn entry(render: &Render) -> &str {
    render.entry.as_str()
}

#[test]
fn a_successor_is_a_try_of_its_own() {
    let mut render = online();
    render.entry = EntryId::from("nano-banana-1k-medium");
    let first = render.own_attempt();
    fail(&mut render, &[FailClass::Retired], &succession());
    assert_eq!((entry(&render), render.step, render.n), ("virtual-try-on", Step::Gemini, 2));
    assert_eq!(render.order(&succession()).entry.as_str(), "virtual-try-on");
    assert_ne!(render.own_attempt(), first);
    assert!(!render.google_failed, "Google was never asked for a picture");
    // The truth about the first comes once more, and changes nothing.
    let again = failed(&render, FailClass::Retired);
    assert_eq!(render.apply(&first, &again, at(11), &succession()), Applied::Ignored);
    assert_eq!(entry(&render), "virtual-try-on");
}

#[test]
fn successors_come_to_an_end() {
    let mut render = online();
    render.entry = EntryId::from("nano-banana-1k-medium");
    fail(&mut render, &[FailClass::Retired; 3], &succession());
    assert_eq!((entry(&render), render.step), ("nano-banana-1k-minimal", Step::PhotoMaker));
    assert!(render.google_failed);
}

#[test]
fn a_successor_without_the_lane_goes_online() {
    let mut render = batched();
    render.entry = EntryId::from("nano-banana-1k-medium");
    let gone = failed(&render, FailClass::Retired);
    assert_eq!(render.apply(&batch_attempt(1), &gone, at(10), &succession()), Applied::Changed);
    assert_eq!((entry(&render), render.lane), ("virtual-try-on", Lane::Online));
    assert!(!render.to_join && render.open_attempts.contains(&render.own_attempt()));
}

#[test]
fn without_a_successor_the_next_step_has_its_turn() {
    let mut render = online();
    let catalogue = Catalogue::parse(&catalogue_without_lite()).unwrap().into();
    let rules = ChainRules { catalogue, ..rules(WHOLE_CHAIN) };
    fail(&mut render, &[FailClass::Retired], &rules);
    assert_eq!(render.step, Step::PhotoMaker);
}

#[test]
fn one_more_try_thinks_less() {
    let mut render = online();
    render.entry = EntryId::from("nano-banana-1k-medium");
    let rules = rules(WHOLE_CHAIN);
    fail(&mut render, &[FailClass::Exhausted], &rules);
    assert_eq!((entry(&render), render.n), ("nano-banana-1k-minimal", 2));
    fail(&mut render, &[FailClass::Exhausted], &rules);
    assert_eq!(render.step, Step::PhotoMaker);
    // One that cannot think less is asked once more all the same.
    let mut render = online();
    render.entry = EntryId::from("nano-banana-1k-minimal");
    fail(&mut render, &[FailClass::Exhausted], &rules);
    assert_eq!(
        (entry(&render), render.n, render.step),
        ("nano-banana-1k-minimal", 2, Step::Gemini)
    );
}
