//! What is kept for the gates.

use super::*;

fn course(render: &Render) -> &Course {
    render.course.as_ref().unwrap()
}

#[test]
fn the_first_batch_is_kept() {
    let mut render = batched();
    assert_eq!(course(&render).batch, Some(batch_id(1)));
    fail(&mut render, &[FailClass::Missing], &google_alone());
    let render = render.joined(batch_attempt(2));
    assert_eq!(course(&render).batch, Some(batch_id(1)));
    assert_eq!((course(&render).lane, course(&online()).batch.as_ref()), (Lane::Batch, None));
}

#[test]
fn the_step_that_drew_the_picture_is_kept() {
    let draw = |classes: &[FailClass]| {
        let mut render = online();
        fail(&mut render, classes, &rules(WHOLE_CHAIN));
        let (attempt, picture) = (render.own_attempt(), image(&render, 40_000));
        assert_eq!(course(&render).drawn_by, None);
        render.apply(&attempt, &picture, at(20), &rules(WHOLE_CHAIN));
        course(&render).drawn_by
    };
    assert_eq!(draw(&[]), Some(Step::Gemini));
    assert_eq!(draw(&[FailClass::Invalid]), Some(Step::PhotoMaker));
    assert_eq!(draw(&[FailClass::Invalid, FailClass::NoImage]), Some(Step::Sdxl));
}

#[test]
fn what_enlarges_a_picture_did_not_draw_it() {
    let mut render = online();
    render.request.quality = Quality::FourK;
    let rules = rules(&Step::ALL);
    let (attempt, small) = (render.own_attempt(), image(&render, 40_000));
    render.apply(&attempt, &small, at(20), &rules);
    assert_eq!((render.step, course(&render).drawn_by), (Step::Upscale, Some(Step::Gemini)));
    let large = Outcome::Image { picture: picture(), fidelity: Fidelity::Exact, size: Size::FourK };
    let (attempt, large) = (render.own_attempt(), gave(&render, large, 2_000));
    render.apply(&attempt, &large, at(40), &rules);
    assert!(render.is_ended());
    assert_eq!(course(&render).drawn_by, Some(Step::Gemini));
}

#[test]
fn that_the_provider_was_not_asked_is_kept() {
    let unasked = |classes: &[FailClass]| {
        let mut render = online();
        fail(&mut render, classes, &rules(WHOLE_CHAIN));
        course(&render).unasked
    };
    assert!(unasked(&[FailClass::Unfunded]));
    assert!(unasked(&[FailClass::Deferred]));
    assert!(!unasked(&[FailClass::Provider, FailClass::Unfunded]), "it had failed before");
    assert!(!unasked(&[FailClass::Invalid, FailClass::Unfunded]), "PhotoMaker's money");
    assert!(unasked(&[FailClass::Diverted]), "kept from it by its health");
    assert!(!unasked(&[FailClass::Invalid]));
}
