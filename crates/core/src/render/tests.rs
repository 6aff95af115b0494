//! What outcomes and the passing of time make of a render; `model` runs random lives.

use chrono::TimeDelta;

use super::*;
use crate::{
    catalogue::Quality,
    contract::fixtures::{self, batch_id, start},
    outcome::{FailClass, Outcome, RenderOutcome},
    picture::Mime,
    settings::WhenBudgetExhausted,
};

mod chain;
mod course;
mod model;
mod models;
mod rescue;

const WHOLE_CHAIN: &[Step] = &[Step::Gemini, Step::PhotoMaker, Step::Sdxl];
/// The deadline and give-up time of an Online fixture.
const DEADLINE: i64 = 60;
const GIVE_UP: i64 = 60 + 7_200;

fn at(seconds: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(seconds)
}

fn rules(available: &'static [Step]) -> ChainRules {
    ChainRules { available, ..fixtures::rules() }
}

fn google_alone() -> ChainRules {
    rules(&[Step::Gemini])
}

/// An Online render whose first try was handed on.
fn online() -> Render {
    handed_on(fixtures::online_render(1), at(0))
}

/// A Batch render that waits in batch 1.
fn batched() -> Render {
    handed_on(fixtures::render(1), at(0)).joined(batch_attempt(1))
}

fn batch_attempt(n: u64) -> AttemptId {
    AttemptId::of(&batch_id(n), Step::Gemini, 1)
}

fn handed_on(render: Render, now: DateTime<Utc>) -> Render {
    let done = [render.hand_on()].into();
    render.struck(&done, now)
}

fn attempt(render: &Render, step: Step, n: u32) -> AttemptId {
    AttemptId::of(&render.id.as_batch(), step, n)
}

fn picture() -> PictureRef {
    PictureRef { key: "out/1.jpg".to_owned(), bytes: 9, mime: Mime::Jpeg }
}

fn gave(render: &Render, outcome: Outcome, cost: u64) -> RenderOutcome {
    RenderOutcome { render_id: render.id.clone(), outcome, cost: Micros::new(cost) }
}

fn image(render: &Render, cost: u64) -> RenderOutcome {
    gave(
        render,
        Outcome::Image { picture: picture(), fidelity: Fidelity::Exact, size: Size::OneK },
        cost,
    )
}

fn failed(render: &Render, class: FailClass) -> RenderOutcome {
    gave(render, Outcome::Failed { class }, 0)
}

/// Fails the try under way, as often as `classes` say, handing each new one on.
fn fail(render: &mut Render, classes: &[FailClass], rules: &ChainRules) {
    for class in classes {
        assert_eq!(render.open_attempts.len(), 1, "{render:?}");
        let attempt = render.open_attempts.first().unwrap().clone();
        let outcome = failed(render, *class);
        assert_eq!(render.apply(&attempt, &outcome, at(10), rules), Applied::Changed);
        if !render.is_ended() {
            *render = handed_on(render.clone(), at(10));
        }
    }
}

fn code(render: &Render) -> Option<FailureCode> {
    match render.status {
        RenderStatus::Failed { code, .. } => Some(code),
        _ => None,
    }
}

#[test]
fn any_image_wins_while_the_render_has_not_ended() {
    let mut render = online();
    let first = render.own_attempt();
    fail(&mut render, &[FailClass::Provider], &google_alone());
    // The first try was given up, and its picture comes all the same.
    let late = image(&render, 40_000);
    assert_eq!(render.apply(&first, &late, at(30), &google_alone()), Applied::Changed);
    let won = RenderStatus::Succeeded {
        picture: picture(),
        fidelity: Fidelity::Exact,
        size: Size::OneK,
        at: at(30),
    };
    assert_eq!(render.status, won);
    // The second still runs, and is told so.
    let second = render.own_attempt();
    assert_eq!(render.owed, [Owed::Announce, Owed::Cancel(second.clone())].into());
    assert_eq!(render.due_at, Some(at(90)));

    // Its own picture changes nothing but the bill.
    let other = image(&render, 50_000);
    assert_eq!(render.apply(&second, &other, at(40), &google_alone()), Applied::Changed);
    assert_eq!((render.status.clone(), render.cost()), (won, Micros::new(90_000)));
    assert_eq!(render.apply(&second, &other, at(41), &google_alone()), Applied::Ignored);
    assert!(render.open_attempts.is_empty());
}

#[test]
fn a_stale_failure_never_advances_twice() {
    let mut render = online();
    let first = render.own_attempt();
    let failure = failed(&render, FailClass::Provider);
    assert_eq!(render.apply(&first, &failure, at(10), &google_alone()), Applied::Changed);
    assert_eq!(render.n, 2);
    let before = render.clone();
    assert_eq!(render.apply(&first, &failure, at(11), &google_alone()), Applied::Ignored);
    let refusal = gave(&render, Outcome::Refused, 0);
    assert_eq!(render.apply(&first, &refusal, at(11), &google_alone()), Applied::Ignored);
    assert_eq!(render, before);
}

#[test]
fn a_failure_waits_for_the_other_attempts() {
    let mut render = batched();
    render.open_attempts.insert(batch_attempt(2));
    let failure = failed(&render, FailClass::Provider);
    assert_eq!(
        render.apply(&batch_attempt(1), &failure, at(10), &google_alone()),
        Applied::Changed
    );
    assert_eq!((render.n, render.to_join, render.open_attempts.len()), (1, false, 1));
    assert_eq!(
        render.apply(&batch_attempt(2), &failure, at(11), &google_alone()),
        Applied::Changed
    );
    assert_eq!((render.n, render.to_join, render.open_attempts.len()), (2, true, 0));
}

#[test]
fn refused_content_ends_the_render_and_no_other_model_is_tried() {
    let mut render = online();
    let refusal = gave(&render, Outcome::Refused, 5_000);
    let first = render.own_attempt();
    assert_eq!(render.apply(&first, &refusal, at(10), &rules(WHOLE_CHAIN)), Applied::Changed);
    assert_eq!(code(&render), Some(FailureCode::ContentRefused));
    assert_eq!((render.cost(), render.owed), (Micros::new(5_000), [Owed::Announce].into()));
}

#[test]
fn how_many_tries_each_failure_gets() {
    use FailClass::{
        Account, Cancelled, Expired, Invalid, Missing, NoImage, Provider, Unfunded, Unknown,
    };
    for (class, tries) in [
        (Provider, 3),
        (Missing, 3),
        (Expired, 1),
        (NoImage, 2),
        (Unknown, 1),
        (Invalid, 1),
        (Account, 1),
        (Cancelled, 1),
        (Unfunded, 1),
    ] {
        let mut render = online();
        for n in 1..tries {
            fail(&mut render, &[class], &google_alone());
            assert_eq!((render.n, render.is_ended()), (n + 1, false), "{class:?}");
        }
        fail(&mut render, &[class], &google_alone());
        let expected = match class {
            Unfunded => FailureCode::BudgetExhausted,
            _ => FailureCode::ProviderUnavailable,
        };
        assert_eq!(code(&render), Some(expected), "{class:?}");
        assert!(render.open_attempts.is_empty());
    }
}

#[test]
fn a_step_gets_three_tries_in_all_whatever_their_failures() {
    let mut render = online();
    fail(&mut render, &[FailClass::Provider, FailClass::Missing], &google_alone());
    assert_eq!((render.n, render.is_ended()), (3, false));
    fail(&mut render, &[FailClass::NoImage], &google_alone());
    assert_eq!(code(&render), Some(FailureCode::ProviderUnavailable));
}

#[test]
fn the_chain_is_walked_to_its_end() {
    let rules = rules(WHOLE_CHAIN);
    let mut render = online();
    fail(&mut render, &[FailClass::Unknown], &rules);
    assert_eq!((render.step, render.n, render.to_join), (Step::PhotoMaker, 1, false));
    assert_eq!(render.own_attempt(), attempt(&render, Step::PhotoMaker, 1));
    fail(&mut render, &[FailClass::NoImage], &rules);
    assert_eq!((render.step, render.n), (Step::Sdxl, 1));
    fail(&mut render, &[FailClass::Provider; 3], &rules);
    assert_eq!(code(&render), Some(FailureCode::ProviderUnavailable));
}

#[test]
fn unfunded_takes_the_next_step_where_there_is_one() {
    let mut render = online();
    fail(&mut render, &[FailClass::Unfunded], &rules(WHOLE_CHAIN));
    assert_eq!(render.step, Step::PhotoMaker);
    // Where described pictures were declined there is none.
    let mut render = online();
    render.request.accept_described = false;
    fail(&mut render, &[FailClass::Unfunded], &rules(WHOLE_CHAIN));
    assert_eq!(code(&render), Some(FailureCode::BudgetExhausted));
}

#[test]
fn the_give_up_time_ends_it_as_it_stands() {
    let mut render = online();
    let open = render.own_attempt();
    assert_eq!(render.overdue(at(GIVE_UP - 1)), Applied::Ignored);
    assert_eq!(render.overdue(at(GIVE_UP)), Applied::Changed);
    assert_eq!(code(&render), Some(FailureCode::TimedOut));
    assert_eq!(render.owed, [Owed::Announce, Owed::Cancel(open.clone())].into());
    assert_eq!(render.overdue(at(GIVE_UP + 1)), Applied::Ignored);

    // The picture that comes now is too late, and its bill is not.
    let late = image(&render, 40_000);
    assert_eq!(render.apply(&open, &late, at(GIVE_UP + 9), &google_alone()), Applied::Changed);
    assert_eq!((code(&render), render.cost()), (Some(FailureCode::TimedOut), Micros::new(40_000)));

    // A failure at the give-up time opens nothing new.
    let mut render = online();
    let (open, failure) = (render.own_attempt(), failed(&render, FailClass::Provider));
    assert_eq!(render.apply(&open, &failure, at(GIVE_UP), &rules(WHOLE_CHAIN)), Applied::Changed);
    assert_eq!(code(&render), Some(FailureCode::TimedOut));
}

#[test]
fn an_attempt_waits_to_the_deadline_while_another_step_could_deliver() {
    assert_eq!(online().order(&google_alone()).wait_until, at(GIVE_UP));
    assert_eq!(online().order(&rules(WHOLE_CHAIN)).wait_until, at(DEADLINE));
    assert_eq!(online().order(&rules(WHOLE_CHAIN)).buy_before, at(GIVE_UP));

    // Where another one's time ran out in the same batch it tries again, while it has time itself.
    for (early, step) in [(1, Step::Gemini), (0, Step::PhotoMaker)] {
        let mut render = batched();
        let now = render.deadline_at - TimeDelta::seconds(early);
        let expired = failed(&render, FailClass::Expired);
        let applied = render.apply(&batch_attempt(1), &expired, now, &rules(WHOLE_CHAIN));
        assert_eq!((applied, render.step), (Applied::Changed, step));
    }
}

#[test]
fn the_lane_of_a_retry_follows_the_time_that_is_left() {
    let deadline = 86_400;
    for (now, lane) in [(deadline - 1_800, Lane::Batch), (deadline - 1_799, Lane::Online)] {
        let mut render = batched();
        let missing = failed(&render, FailClass::Missing);
        let applied = render.apply(&batch_attempt(1), &missing, at(now), &google_alone());
        assert_eq!((applied, render.lane, render.n), (Applied::Changed, lane, 2));
        assert_eq!(render.to_join, lane == Lane::Batch);
        let online_try = (lane == Lane::Online).then(|| attempt(&render, Step::Gemini, 2));
        assert_eq!(render.open_attempts, online_try.into_iter().collect());
        assert_eq!(render.owed, [render.hand_on()].into());
    }
}

#[test]
fn each_attempt_is_billed_once() {
    let mut render = online();
    let first = render.own_attempt();
    let paid = gave(&render, Outcome::Failed { class: FailClass::NoImage }, 9_000);
    assert_eq!(render.apply(&first, &paid, at(10), &google_alone()), Applied::Changed);
    assert_eq!(render.apply(&first, &paid, at(11), &google_alone()), Applied::Ignored);
    // What was held is settled days later: the bill of an attempt may still come, or grow.
    let settled = gave(&render, Outcome::Failed { class: FailClass::Unknown }, 68_000);
    assert_eq!(render.apply(&first, &settled, at(12), &google_alone()), Applied::Changed);
    assert_eq!(render.n, 2);
    let second = render.own_attempt();
    let won = image(&render, 40_000);
    assert_eq!(render.apply(&second, &won, at(20), &google_alone()), Applied::Changed);
    assert_eq!(render.cost(), Micros::new(108_000));
}

#[test]
fn someone_looks_after_it_soon_while_something_is_owed() {
    let accepted = fixtures::online_render(1);
    assert_eq!(accepted.due_at, Some(at(60)));
    let standing = handed_on(accepted, at(1));
    assert_eq!(standing.due_at, Some(at(301)));
    assert_eq!(batched().due_at, batched().rescue_at(), "its batch is looked after until then");

    let mut render = standing;
    let (open, won) = (render.own_attempt(), image(&render, 0));
    assert_eq!(render.apply(&open, &won, at(30), &google_alone()), Applied::Changed);
    assert_eq!(render.due_at, Some(at(90)));
    let done = render.owed.clone();
    assert_eq!(render.struck(&done, at(31)).due_at, None);
}

#[test]
fn nothing_owed_near_the_give_up_time_puts_its_end_off() {
    let mut render = online();
    let (open, failure) = (render.own_attempt(), failed(&render, FailClass::Provider));
    let now = at(GIVE_UP - 5);
    assert_eq!(render.apply(&open, &failure, now, &google_alone()), Applied::Changed);
    assert_eq!((render.n, render.due_at), (2, Some(at(GIVE_UP))));
    assert_eq!(handed_on(render, now).due_at, Some(at(GIVE_UP)));
}

#[test]
fn a_try_that_nobody_heard_of_is_handed_on_again() {
    let mut render = online();
    assert_eq!(render.nudge(at(301)), Applied::Changed);
    assert_eq!(render.owed, [render.hand_on()].into());
    assert_eq!(render.nudge(at(302)), Applied::Ignored, "it owes that already");
    assert_eq!(batched().nudge(at(301)), Applied::Ignored, "its batch is looked after");
    let mut ended = online();
    assert_eq!(ended.overdue(at(GIVE_UP)), Applied::Changed);
    assert_eq!(ended.nudge(at(GIVE_UP)), Applied::Ignored);
}

#[test]
fn statuses_as_the_customer_sees_them() {
    let mut render = fixtures::online_render(1);
    assert_eq!(render.status.as_str(), "accepted");
    assert_eq!(online().status.as_str(), "queued");
    assert_eq!(render.generating(), Applied::Changed);
    assert_eq!(render.status.as_str(), "generating");
    assert_eq!(render.generating(), Applied::Ignored);
    assert_eq!(render.overdue(at(GIVE_UP)), Applied::Changed);
    assert_eq!((render.status.as_str(), render.generating()), ("failed", Applied::Ignored));
    assert_eq!(batched().status, RenderStatus::Queued);
}

#[test]
fn an_unknown_batch_is_bought_once_more_by_grant_and_never_again() {
    let mut render = batched();
    let first = batch_attempt(1);
    let unknown = || Outcome::Failed { class: FailClass::Unknown };
    let given = gave(&render, unknown(), 0);
    assert_eq!(render.apply(&first, &given, at(700), &rules(&[Step::Gemini])), Applied::Changed);
    assert_eq!((render.n, render.to_join), (2, true));
    assert_eq!(render.granted, Some(first));
    let second = batch_attempt(2);
    let mut render = render.joined(second.clone());
    let given = gave(&render, unknown(), 0);
    render.apply(&second, &given, at(1_400), &rules(&[Step::Gemini]));
    let code = FailureCode::ProviderUnavailable;
    assert_eq!(render.status, RenderStatus::Failed { code, at: at(1_400) });
}

#[test]
fn an_ended_render_asks_after_attempts_that_were_never_heard_of() {
    let mut render = batched();
    let (attempt, end) = (batch_attempt(1), render.give_up_at);
    assert_eq!(render.overdue(end), Applied::Changed);
    let later = end + TimeDelta::hours(1);
    let done = render.owed.clone();
    let mut render = render.struck(&done, end);
    assert_eq!(render.due_at, Some(later));
    assert_eq!(render.nudge(later), Applied::Changed);
    assert_eq!(render.owed, [Owed::Ask(attempt)].into());
}
