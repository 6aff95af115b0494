//! What comes late from Replicate, or not at all: pictures that are gone, ends that nobody saw, creates
//! that nobody finds.

use std::time::Duration;

use tryon_core::{
    catalogue::Size,
    chain::{Fidelity, Step},
    money::Micros,
    render::Render,
};
use tryon_local::world::World;
use tryon_sandbox::{CallKind, Fault, Nth, Rule, When};

use crate::{
    chain::{create_of, creates, legacy, made, of, one, replicate},
    support::{self, body},
};

const BANANA: Micros = Micros::new(150_000);

fn calls(world: &World, kind: CallKind) -> u64 {
    world.sandbox.calls().get(&kind).copied().unwrap_or_default()
}

fn until(when: When, seconds: u64) -> When {
    when.between(Duration::ZERO, Duration::from_secs(seconds))
}

/// Whatever is asked after Nano Banana's prediction, nobody hears.
fn unheard(seconds: u64) -> Rule {
    let polls = When::kind(CallKind::PredictionGet).key("/nano_banana/");
    Rule::new(until(polls, seconds), Fault::status(503))
}

async fn later(world: &World, minutes: u64) -> Render {
    support::wait(world, Duration::from_secs(minutes * 60)).await;
    support::renders(world).remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_is_gone_is_a_stated_failure_and_not_bought_again() {
    for status in [404, 410, 403] {
        let delivery = When::kind(CallKind::Delivery).key("/nano_banana/");
        let gone = Rule::new(delivery, Fault::status(status));
        let (world, render) = one(legacy(), vec![gone]).await;
        assert_eq!((made(&render).0, creates(&world)), (Step::PhotoMaker, 2), "{status}");
        assert!(replicate(&world).settled > BANANA, "both were made");
        assert_eq!(calls(&world, CallKind::Delivery), 2, "{status}: nobody asks twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_cannot_be_fetched_is_tried_for_an_hour_and_holds_nobody_up() {
    let stuck = Rule::new(When::kind(CallKind::Delivery).key("/nano_banana/"), Fault::status(503));
    let (world, render) = one(legacy(), vec![stuck]).await;
    assert_eq!((made(&render).0, creates(&world)), (Step::PhotoMaker, 2));
    later(&world, 40).await;
    let tried = calls(&world, CallKind::Delivery);
    assert_eq!(replicate(&world).held, BANANA, "it may still be had");
    later(&world, 25).await;
    let last = calls(&world, CallKind::Delivery);
    assert!(last > tried, "given up early");
    assert_eq!(replicate(&world).held, Micros::ZERO, "its bill is known");
    later(&world, 120).await;
    assert_eq!(calls(&world, CallKind::Delivery), last, "it is deleted by now");
    support::check_money(&world);
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_can_be_fetched_late_is() {
    let away = When::kind(CallKind::Delivery).between(Duration::ZERO, Duration::from_secs(400));
    let stick = Rule::new(of(Step::PhotoMaker), Fault::Stick { seconds: None });
    let (world, render) = one(legacy(), vec![Rule::new(away, Fault::status(503)), stick]).await;
    assert_eq!(made(&render), (Step::NanoBanana, Fidelity::Exact, Size::OneK));
    assert_eq!(replicate(&world).settled, Micros::new(150_000));
}

/// Its end was not seen in time; the next step delivered meanwhile.
#[tokio::test(start_paused = true)]
async fn an_end_that_is_seen_late_is_paid_for_and_its_picture_dropped() {
    let (world, render) = one(legacy(), vec![unheard(400)]).await;
    assert_eq!(made(&render).0, Step::PhotoMaker);
    assert_eq!(replicate(&world).held, BANANA);
    let render = later(&world, 10).await;
    assert_eq!((made(&render).0, creates(&world)), (Step::PhotoMaker, 2));
    assert!(render.cost() > BANANA, "both stand in its costs: {}", render.cost());
    assert_eq!(replicate(&world).held, Micros::ZERO);
    support::check_money(&world);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_seen_late_wins_while_nobody_else_delivers() {
    let stick = Rule::new(of(Step::PhotoMaker), Fault::Stick { seconds: None });
    let (world, render) = one(legacy(), vec![unheard(330), stick]).await;
    assert_eq!(made(&render), (Step::NanoBanana, Fidelity::Exact, Size::OneK));
    assert_eq!(replicate(&world).settled, BANANA);
}

/// More than an hour after its end nothing is left of it but that it was made.
#[tokio::test(start_paused = true)]
async fn an_end_that_is_seen_after_an_hour_is_paid_for() {
    let (world, render) = one(legacy(), vec![unheard(3_720)]).await;
    assert_eq!((made(&render).0, replicate(&world).held), (Step::PhotoMaker, BANANA));
    let render = later(&world, 60).await;
    assert_eq!(replicate(&world).held, Micros::ZERO);
    assert!(render.cost() > BANANA);
    assert_eq!(calls(&world, CallKind::Delivery), 1, "there is nothing to fetch");
    support::check_money(&world);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_was_asleep_is_waited_for() {
    let empty = Rule::new(of(Step::NanoBanana), Fault::EmptyOutput);
    let asleep = Rule::new(of(Step::PhotoMaker), Fault::Stick { seconds: Some(150) });
    let (world, render) = one(legacy(), vec![empty, asleep]).await;
    assert_eq!((made(&render).0, creates(&world)), (Step::PhotoMaker, 2));
}

/// By its input a prediction is found, and that is deleted after an hour.
#[tokio::test(start_paused = true)]
async fn a_lost_create_is_looked_for_for_an_hour_and_counts_as_spent_after_a_week() {
    let rules = vec![
        Rule::new(create_of(Step::NanoBanana), Fault::LoseAnswer),
        Rule::new(When::kind(CallKind::PredictionList), Fault::LagList { seconds: 1_000_000 }),
    ];
    let (world, render) = one(legacy(), rules).await;
    assert_eq!((made(&render).0, creates(&world)), (Step::PhotoMaker, 2));
    later(&world, 30).await;
    let looks = calls(&world, CallKind::PredictionList);
    later(&world, 35).await;
    let last = calls(&world, CallKind::PredictionList);
    assert!(last > looks, "given up early");
    later(&world, 24 * 60).await;
    assert_eq!((calls(&world, CallKind::PredictionList), replicate(&world).held), (last, BANANA));
    let render = later(&world, 6 * 24 * 60 + 60).await;
    assert_eq!(replicate(&world).held, Micros::ZERO);
    assert!(render.cost() > BANANA && calls(&world, CallKind::PredictionList) <= last + 1);
}

#[tokio::test(start_paused = true)]
async fn polls_that_are_refused_come_as_late_as_they_are_told_to() {
    let wait = Fault::Status { code: 429, retry_after_seconds: Some(25) };
    let first = When::kind(CallKind::PredictionGet).nth(Nth::First(1));
    let world = support::whole_world(1, legacy(), vec![Rule::new(first, wait)]).await;
    let script = async {
        support::accept(&world, &body("online", ""), "key").await;
        world.clock.sleep(Duration::from_secs(25)).await;
        assert_eq!(calls(&world, CallKind::PredictionGet), 1);
        support::settle(&world, 1).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    assert_eq!(calls(&world, CallKind::PredictionGet), 2);
}
