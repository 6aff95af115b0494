//! The chain beyond Google: the legacy route, the day whose money is spent, and 4K by enlarging.

use super::*;

fn everything() -> ChainRules {
    rules(&Step::ALL)
}

fn spent(when_budget_exhausted: WhenBudgetExhausted) -> ChainRules {
    ChainRules { when_budget_exhausted, ..everything() }
}

/// An Online 4K render whose first try was handed on.
fn large() -> Render {
    let mut render = fixtures::online_render(1);
    render.request.quality = Quality::FourK;
    handed_on(render, at(0))
}

fn made(render: &Render, key: &str, size: Size) -> RenderOutcome {
    let picture = PictureRef { key: key.to_owned(), ..picture() };
    gave(render, Outcome::Image { picture, fidelity: Fidelity::Described, size }, 7)
}

/// A 4K render of which a 1K picture is being enlarged.
fn enlarging() -> Render {
    let mut render = large();
    let (first, small) = (render.own_attempt(), made(&render, "out/small.jpg", Size::OneK));
    assert_eq!(render.apply(&first, &small, at(20), &everything()), Applied::Changed);
    handed_on(render, at(20))
}

fn delivered(render: &Render) -> Option<(&str, Size, Fidelity)> {
    match &render.status {
        RenderStatus::Succeeded { picture, size, fidelity, .. } => {
            Some((&picture.key, *size, *fidelity))
        }
        _ => None,
    }
}

#[test]
fn the_legacy_route_walks_its_own_chain() {
    let mut render = handed_on(fixtures::legacy_render(1), at(0));
    fail(&mut render, &[FailClass::Invalid], &everything());
    assert_eq!((render.step, render.served), (Step::PhotoMaker, Route::Legacy));
    fail(&mut render, &[FailClass::NoImage], &everything());
    assert_eq!(render.step, Step::Sdxl);
    fail(&mut render, &[FailClass::Unfunded], &everything());
    assert_eq!(code(&render), Some(FailureCode::BudgetExhausted));
}

#[test]
fn a_day_without_money_goes_where_the_shop_wants() {
    use WhenBudgetExhausted::{Fallback, Legacy, Reject};
    let after = |first: &[FailClass], when| {
        let mut render = online();
        fail(&mut render, first, &spent(when));
        fail(&mut render, &[FailClass::Unfunded], &spent(when));
        (render.step, code(&render))
    };
    let exhausted = Some(FailureCode::BudgetExhausted);
    assert_eq!(after(&[], Fallback), (Step::PhotoMaker, None));
    assert_eq!(after(&[], Legacy), (Step::NanoBanana, None));
    assert_eq!(after(&[], Reject), (Step::Gemini, exhausted));
    // Google was asked and failed: its capacity is Nano Banana's as well.
    assert_eq!(after(&[FailClass::Provider], Legacy), (Step::PhotoMaker, None));
    let mut render = online();
    fail(&mut render, &[FailClass::Unfunded], &spent(Legacy));
    assert_eq!((render.assigned, render.served), (Route::Gemini, Route::Legacy));
}

#[test]
fn a_shop_that_declines_described_pictures_gets_none() {
    let mut render = online();
    render.request.accept_described = false;
    fail(&mut render, &[FailClass::Provider; 3], &everything());
    assert_eq!(
        (render.step, code(&render)),
        (Step::Gemini, Some(FailureCode::ProviderUnavailable))
    );
}

#[test]
fn the_steps_share_the_time_after_the_deadline() {
    let rules = rules(WHOLE_CHAIN);
    let mut render = fixtures::online_render(1);
    render.owe_hand_on(at(0), &rules);
    assert_eq!(render.run_until, at(DEADLINE + 2_400));
    let mut render = handed_on(render, at(0));
    let (first, failure) = (render.own_attempt(), failed(&render, FailClass::Invalid));
    render.apply(&first, &failure, at(1_260), &rules);
    assert_eq!(render.run_until, at(1_260 + 3_000), "half of what is left");
    let order = render.order(&rules);
    assert_eq!((order.wait_until, order.run_until), (render.run_until, render.run_until));
}

#[test]
fn a_small_picture_is_enlarged_and_stays_as_true_as_it_was() {
    let mut render = enlarging();
    assert_eq!((render.step, render.n, render.is_ended()), (Step::Upscale, 1, false));
    assert_eq!(render.order(&everything()).interim.unwrap().key, "out/small.jpg");
    let upscale = attempt(&render, Step::Upscale, 1);
    assert_eq!(render.open_attempts, [upscale.clone()].into());
    let large = Outcome::Image {
        picture: PictureRef { key: "out/large.jpg".to_owned(), ..picture() },
        fidelity: Fidelity::Exact,
        size: Size::FourK,
    };
    let large = gave(&render, large, 2);
    assert_eq!(render.apply(&upscale, &large, at(30), &everything()), Applied::Changed);
    assert_eq!(delivered(&render), Some(("out/large.jpg", Size::FourK, Fidelity::Described)));
    assert_eq!(render.cost(), Micros::new(9));
}

#[test]
fn the_small_picture_is_delivered_where_the_large_one_fails() {
    let small = Some(("out/small.jpg", Size::OneK, Fidelity::Described));
    for class in [FailClass::Unknown, FailClass::Unfunded, FailClass::Invalid, FailClass::NoImage] {
        let mut render = enlarging();
        fail(&mut render, &[class], &everything());
        assert_eq!(delivered(&render), small, "{class:?}");
    }
    let mut render = enlarging();
    fail(&mut render, &[FailClass::Provider; 3], &everything());
    assert_eq!(delivered(&render), small);

    let mut render = enlarging();
    let (open, refused) = (render.own_attempt(), gave(&render, Outcome::Refused, 0));
    render.apply(&open, &refused, at(30), &everything());
    assert_eq!(delivered(&render), small);

    let mut render = enlarging();
    assert_eq!(render.overdue(render.give_up_at), Applied::Changed);
    assert_eq!(delivered(&render), small);
    assert!(render.owed.contains(&Owed::Cancel(attempt(&render, Step::Upscale, 1))));
}

#[test]
fn a_second_small_picture_changes_nothing() {
    let mut render = enlarging();
    let first = attempt(&render, Step::Gemini, 1);
    let again = made(&render, "out/small.jpg", Size::OneK);
    assert_eq!(render.apply(&first, &again, at(40), &everything()), Applied::Ignored);
    assert_eq!((render.step, render.n), (Step::Upscale, 1));
}

#[test]
fn whoever_else_works_on_it_is_told_to_stop_once_it_is_enlarged() {
    let mut render = large();
    let (first, other) = (render.own_attempt(), batch_attempt(3));
    render.open_attempts.insert(other.clone());
    let small = made(&render, "out/small.jpg", Size::OneK);
    render.apply(&first, &small, at(20), &everything());
    assert!(render.owed.contains(&Owed::Cancel(other.clone())));
    // Its end does not disturb what goes on.
    let cancelled = failed(&render, FailClass::Cancelled);
    assert_eq!(render.apply(&other, &cancelled, at(25), &everything()), Applied::Changed);
    assert_eq!((render.step, render.n, render.is_ended()), (Step::Upscale, 1, false));
}

/// A 4K render of which a 1K picture is being enlarged while another attempt runs on.
fn enlarging_beside(other: &AttemptId) -> Render {
    let mut render = large();
    let (first, small) = (render.own_attempt(), made(&render, "out/small.jpg", Size::OneK));
    render.open_attempts.insert(other.clone());
    render.apply(&first, &small, at(20), &everything());
    handed_on(render, at(20))
}

#[test]
fn while_a_picture_is_enlarged_only_that_decides() {
    let other = batch_attempt(3);
    let small = Some(("out/small.jpg", Size::OneK, Fidelity::Described));
    let others = |render: &Render| {
        [
            gave(render, Outcome::Refused, 0),
            failed(render, FailClass::Provider),
            made(render, "out/other.jpg", Size::OneK),
        ]
    };
    for what in others(&enlarging_beside(&other)) {
        let mut render = enlarging_beside(&other);
        assert_eq!(render.apply(&other, &what, at(25), &everything()), Applied::Changed);
        assert_eq!((render.n, render.is_ended()), (1, false), "{what:?}");
        fail(&mut render, &[FailClass::Invalid], &everything());
        assert_eq!(delivered(&render), small, "{what:?}");
    }
    let mut render = enlarging_beside(&other);
    let (upscale, failure) = (render.own_attempt(), failed(&render, FailClass::Invalid));
    render.apply(&upscale, &failure, at(30), &everything());
    assert_eq!(delivered(&render), small, "nobody waits for the other");
}

#[test]
fn what_was_enlarged_is_the_end_however_large_it_is() {
    let mut render = enlarging();
    let (upscale, larger) = (render.own_attempt(), made(&render, "out/2k.jpg", Size::TwoK));
    render.apply(&upscale, &larger, at(30), &everything());
    assert_eq!(delivered(&render), Some(("out/2k.jpg", Size::TwoK, Fidelity::Described)));
}

#[test]
fn without_the_upscale_step_the_small_picture_is_the_end() {
    let mut render = large();
    let (first, small) = (render.own_attempt(), made(&render, "out/small.jpg", Size::OneK));
    render.apply(&first, &small, at(20), &google_alone());
    assert_eq!(delivered(&render), Some(("out/small.jpg", Size::OneK, Fidelity::Described)));
}

#[test]
fn a_quick_failure_does_not_have_the_next_order_taken_for_sent() {
    let fresh = fixtures::legacy_render(1);
    let sent = fresh.owed.clone();
    let mut render = fresh;
    let (first, failure) = (render.own_attempt(), failed(&render, FailClass::Invalid));
    render.apply(&first, &failure, at(1), &everything());
    // The first order's courier comes back only now.
    let render = render.struck(&sent, at(2));
    assert_eq!(render.owed, [render.hand_on()].into());
    assert_eq!(render.step, Step::PhotoMaker);
}
