//! A Batch render near its deadline, and one that is diverted.

use super::*;

/// The deadline of a Batch fixture, and when it is rescued.
const LATE: i64 = 86_400;
const DUE: i64 = LATE - 300;

fn rescued() -> Render {
    let mut render = batched();
    assert_eq!(render.rescued(at(DUE), true), Applied::Changed);
    handed_on(render, at(DUE))
}

fn open(render: &Render) -> Vec<AttemptId> {
    render.open_attempts.iter().cloned().collect()
}

#[test]
fn it_is_due_once_it_rides_in_a_batch() {
    let waiting = fixtures::render(1);
    assert_eq!(waiting.rescue_at(), None, "it has no batch yet");
    let mut render = batched();
    assert_eq!((render.rescue_at(), render.due_at), (Some(at(DUE)), Some(at(DUE))));
    assert_eq!(render.rescued(at(DUE - 1), true), Applied::Ignored);
    assert_eq!(fixtures::online_render(1).rescue, None);
    assert_eq!(render.rescued(at(DUE), true), Applied::Changed);
    let own = render.own_attempt();
    assert_eq!(open(&render), [own.clone(), batch_attempt(1)]);
    assert!(render.owed.contains(&render.hand_on()));
    let order = render.order(&google_alone());
    assert!(order.rescue && order.wait_until <= render.give_up_at);
    // Once and no more.
    assert_eq!(render.rescued(at(DUE + 1), true), Applied::Ignored);
}

#[test]
fn a_model_without_an_online_call_cannot_rescue() {
    let mut render = batched();
    assert_eq!(render.rescued(at(DUE), false), Applied::Changed);
    assert_eq!((render.rescue_at(), open(&render)), (None, vec![batch_attempt(1)]));
    assert_eq!(render.due_at, Some(render.give_up_at));
}

#[test]
fn the_first_picture_ends_it_and_the_other_is_told() {
    for first in [true, false] {
        let mut render = rescued();
        let (own, batch) = (render.own_attempt(), batch_attempt(1));
        let (winner, loser) = if first { (own, batch) } else { (batch, own) };
        let given = image(&render, 40_000);
        assert_eq!(render.apply(&winner, &given, at(DUE + 20), &google_alone()), Applied::Changed);
        assert!(render.is_ended() && render.owed.contains(&Owed::Cancel(loser.clone())));
        let given = image(&render, 20_000);
        assert_eq!(render.apply(&loser, &given, at(DUE + 90), &google_alone()), Applied::Changed);
        assert_eq!(render.cost(), Micros::new(60_000));
    }
}

#[test]
fn one_that_fails_leaves_the_batch_to_deliver() {
    for class in [FailClass::Provider, FailClass::Unfunded, FailClass::Diverted, FailClass::Unknown]
    {
        let mut render = rescued();
        let own = render.own_attempt();
        let given = failed(&render, class);
        assert_eq!(render.apply(&own, &given, at(DUE + 20), &google_alone()), Applied::Changed);
        assert_eq!((open(&render), render.n), (vec![batch_attempt(1)], 1), "{class:?}");
        assert_eq!(render.due_at, Some(render.give_up_at));
        let given = failed(&render, FailClass::Provider);
        render.apply(&batch_attempt(1), &given, at(DUE + 40), &google_alone());
        assert_eq!(open(&render), [attempt(&render, Step::Gemini, 2)], "{class:?}");
        assert_eq!(render.granted, (class == FailClass::Unknown).then_some(own));
    }
}

#[test]
fn after_two_unknown_ends_one_grant_buys_one_more() {
    let mut render = rescued();
    let own = render.own_attempt();
    let unknown = failed(&render, FailClass::Unknown);
    render.apply(&batch_attempt(1), &unknown, at(DUE + 20), &rules(WHOLE_CHAIN));
    assert_eq!(render.granted, Some(batch_attempt(1)));
    render.apply(&own, &unknown, at(DUE + 30), &rules(WHOLE_CHAIN));
    assert_eq!((render.is_ended(), render.step), (false, Step::PhotoMaker));
    let unknown = failed(&render, FailClass::Unknown);
    render.apply(&render.own_attempt(), &unknown, at(DUE + 60), &rules(WHOLE_CHAIN));
    assert!(matches!(render.status, RenderStatus::Failed { .. }), "{render:?}");
}

#[test]
fn a_render_that_used_its_grant_buys_nothing_after_an_unknown_rescue() {
    let mut render = batched();
    let unknown = failed(&render, FailClass::Unknown);
    render.apply(&batch_attempt(1), &unknown, at(900), &rules(WHOLE_CHAIN));
    let mut render = handed_on(render, at(900)).joined(batch_attempt(2));
    assert_eq!((render.n, render.rescued(at(DUE), true)), (2, Applied::Changed));
    let own = render.own_attempt();
    let unknown = failed(&render, FailClass::Unknown);
    render.apply(&own, &unknown, at(DUE + 20), &rules(WHOLE_CHAIN));
    assert!(!render.is_ended(), "the batch may still deliver");
    let given = failed(&render, FailClass::Provider);
    render.apply(&batch_attempt(2), &given, at(DUE + 40), &rules(WHOLE_CHAIN));
    assert!(matches!(render.status, RenderStatus::Failed { .. }), "{render:?}");
}

#[test]
fn one_that_met_an_open_breaker_goes_where_the_router_sends_those_that_arrive() {
    let mut render = online();
    let given = failed(&render, FailClass::Diverted);
    render.apply(&attempt(&render, Step::Gemini, 1), &given, at(1), &rules(&Step::ALL));
    assert_eq!((render.served, render.step), (Route::Legacy, Step::NanoBanana));
    assert!(!render.google_failed);
    // Google was asked before, and failed.
    let mut render = online();
    fail(&mut render, &[FailClass::Provider, FailClass::Diverted], &rules(&Step::ALL));
    assert_eq!((render.served, render.step), (Route::Gemini, Step::PhotoMaker));
}

#[test]
fn an_open_breaker_sends_away_who_has_somewhere_to_go() {
    const NO_LEGACY: &[Step] = &[Step::Gemini, Step::PhotoMaker];

    let exact = |mut render: Render| {
        render.request.accept_described = false;
        render
    };
    for (render, available, diverts) in [
        (online(), WHOLE_CHAIN, true),
        // Nano Banana sees the garment.
        (exact(online()), &Step::ALL, true),
        (exact(online()), NO_LEGACY, false),
        (online(), &[Step::Gemini], false),
        (batched(), &Step::ALL, false),
        (rescued(), &Step::ALL, false),
    ] {
        assert_eq!(render.order(&rules(available)).diverts, diverts, "{available:?} {render:?}");
    }
}

#[test]
fn a_batch_that_was_barred_until_its_first_render_had_no_time_is_tried_again_by_the_others() {
    let mut render = batched();
    let given = failed(&render, FailClass::Diverted);
    render.apply(&batch_attempt(1), &given, at(1_000), &rules(&Step::ALL));
    assert_eq!((render.step, render.n, render.google_failed), (Step::Gemini, 2, false));
    let mut render = batched();
    render.apply(&batch_attempt(1), &given, at(LATE), &rules(&Step::ALL));
    assert_eq!((render.served, render.step), (Route::Legacy, Step::NanoBanana));
}

#[test]
fn a_batch_that_failed_beside_its_rescue_is_not_forgotten() {
    let mut render = rescued();
    let own = render.own_attempt();
    let given = failed(&render, FailClass::Provider);
    render.apply(&batch_attempt(1), &given, at(DUE + 20), &rules(&Step::ALL));
    let given = failed(&render, FailClass::Diverted);
    render.apply(&own, &given, at(DUE + 40), &rules(&Step::ALL));
    assert!(render.google_failed);
    assert_eq!((render.served, render.step), (Route::Gemini, Step::PhotoMaker));
}
