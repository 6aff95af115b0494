//! One scenario a behaviour.

use std::time::Duration;

use tryon_core::{
    batch::{BatchStatus, SealReason},
    memory::{Call, Mishap},
    money::Micros,
    render::{FailureCode, RenderStatus},
};
use tryon_sandbox::{CallKind, Fault, Nth, Rule, When};

use crate::support::{self, body};

#[tokio::test(start_paused = true)]
async fn each_lane_delivers() {
    let world = support::world(1, support::settings(), Vec::new()).await;
    let renders = support::play(&world, &[body("online", ""), body("batch", "")]).await;
    assert_eq!(support::succeeded(&renders), 2);
    let (online, batch) = (&renders[0], &renders[1]);
    assert!(batch.cost() < online.cost(), "batch costs half");
    let row = &world.database.batches()[0];
    assert_eq!(row.outcomes.len(), 1, "the row tells what became of its renders");
    assert_eq!(row.cost(), batch.cost());
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn the_fiftieth_seals_and_the_rest_waits_for_its_time() {
    let world = support::world(1, support::settings(), Vec::new()).await;
    let renders = support::play(&world, &vec![body("batch", ""); 57]).await;
    assert_eq!(support::succeeded(&renders), 57);
    let mut batches = world.database.batches();
    // Both opened in the same instant of virtual time.
    batches.sort_by_key(|batch| std::cmp::Reverse(batch.orders.len()));
    let seals: Vec<_> = batches.iter().map(|b| (b.orders.len(), b.sealed.unwrap())).collect();
    assert_eq!((seals[0].0, seals[0].1.reason), (50, SealReason::Count));
    assert_eq!((seals[1].0, seals[1].1.reason), (7, SealReason::Time));
    let waited = seals[1].1.at - batches[1].opened_at;
    assert!((45_000..47_000).contains(&waited.num_milliseconds()), "{waited}");
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_out_and_buys_nothing_twice() {
    let minute = When::any().between(Duration::ZERO, Duration::from_secs(60));
    let rules = vec![Rule::new(minute, Fault::status(503))];
    let world = support::world(1, support::settings(), rules).await;
    let renders = support::play(&world, &[body("online", ""), body("batch", "")]).await;
    assert_eq!(support::succeeded(&renders), 2);
    assert_eq!(world.sandbox.bill().charges.len(), 2);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn an_outage_without_end_ends_the_render() {
    let rules = vec![Rule::new(When::kind(CallKind::Online), Fault::status(429))];
    let world = support::world(1, support::settings(), rules).await;
    let renders = support::play(&world, &[body("online", "")]).await;
    assert!(matches!(renders[0].status, RenderStatus::Failed { .. }), "{:?}", renders[0].status);
    let took = renders[0].status.ended_at().unwrap() - renders[0].accepted_at;
    assert!(took.num_seconds() <= 690, "given up after {took}");
    assert_eq!(support::balance(&world).settled, Micros::ZERO);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_the_render_without_a_retry() {
    let rules = vec![Rule::new(When::any().prompt("indecent"), Fault::refused())];
    let world = support::world(1, support::settings(), rules).await;
    let bodies = [body("online", "indecent"), body("batch", "indecent"), body("batch", "")];
    let renders = support::play(&world, &bodies).await;
    assert_eq!(support::failed(&renders, FailureCode::ContentRefused), 2);
    assert_eq!(support::succeeded(&renders), 1);
    assert_eq!(world.sandbox.bill().charges.len(), 3);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_missing_row_is_bought_again_and_costs_no_neighbour() {
    let missing = When::kind(CallKind::Row).prompt("lost").nth(Nth::First(1));
    let rules = vec![Rule::new(missing, Fault::MissingRow { billed: true })];
    let world = support::world(1, support::settings(), rules).await;
    let bodies = [body("batch", ""), body("batch", "lost"), body("batch", "")];
    let renders = support::play(&world, &bodies).await;
    assert_eq!(support::succeeded(&renders), 3);
    assert_eq!(world.database.batches().len(), 2);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_nobody_can_read_is_bought_again_and_costs_no_neighbour() {
    let garbled = When::kind(CallKind::Row).prompt("garbled").nth(Nth::First(1));
    let rules = vec![Rule::new(garbled, Fault::GarbleRow)];
    let world = support::world(1, support::settings(), rules).await;
    let bodies = ["", "garbled", ""].map(|wish| body("batch", wish));
    let renders = support::play(&world, &bodies).await;
    assert_eq!(support::succeeded(&renders), 3);
    assert_eq!(renders.iter().map(|render| render.costs.len()).max(), Some(2));
    assert_eq!(world.sandbox.bill().charges.len(), 4);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_picture_without_a_price_costs_what_was_reserved() {
    let untold = When::any().prompt("untold");
    let world =
        support::world(1, support::settings(), vec![Rule::new(untold, Fault::NoUsage)]).await;
    let bodies = [body("online", "untold"), body("batch", "untold"), body("batch", "")];
    let renders = support::play(&world, &bodies).await;
    assert_eq!(support::succeeded(&renders), 3);
    let attempts = world.attempts.attempts();
    for render in &renders {
        let shares = attempts.iter().flat_map(|attempt| &attempt.shares);
        let maximum = shares.filter(|s| s.render_id == render.id).map(|s| s.maximum).sum();
        let untold = render.request.prompt.contains("untold");
        let cost: Micros = render.costs.values().copied().sum();
        assert_eq!(cost == maximum, untold, "{cost} of {maximum}");
    }
    let costs = renders.iter().flat_map(|render| render.costs.values().copied());
    assert_eq!(support::balance(&world).settled, costs.sum());
}

#[tokio::test(start_paused = true)]
async fn rows_out_of_order_twice_and_broken_are_told_apart() {
    let row = |wish: &str| When::kind(CallKind::Row).prompt(wish);
    let rules = vec![
        Rule::new(When::kind(CallKind::Create), Fault::ReorderRows),
        Rule::new(row("twice"), Fault::DuplicateRow),
        Rule::new(row("broken").nth(Nth::First(1)), Fault::ErrorRow { code: 13 }),
    ];
    let world = support::world(1, support::settings(), rules).await;
    let bodies = ["", "twice", "broken", ""].map(|wish| body("batch", wish));
    let renders = support::play(&world, &bodies).await;
    assert_eq!(support::succeeded(&renders), 4);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_lost_online_answer_is_held_and_not_bought_again() {
    let rules = vec![Rule::new(When::kind(CallKind::Online), Fault::LoseAnswer)];
    let world = support::world(1, support::settings(), rules).await;
    let renders = support::play(&world, &[body("online", "")]).await;
    assert_eq!(support::failed(&renders, FailureCode::ProviderUnavailable), 1);
    assert_eq!(world.sandbox.bill().charges.len(), 1);
    let balance = support::balance(&world);
    assert!(balance.held > Micros::ZERO && balance.settled == Micros::ZERO, "{balance:?}");
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_lost_create_is_found_by_its_name() {
    let rules = vec![Rule::new(When::kind(CallKind::Create), Fault::LoseAnswer)];
    let world = support::world(1, support::settings(), rules).await;
    let renders = support::play(&world, &[body("batch", ""), body("batch", "")]).await;
    assert_eq!(support::succeeded(&renders), 2);
    assert_eq!(world.sandbox.calls()[&CallKind::Create], 1);
    assert_eq!(support::balance(&world).held, Micros::ZERO);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_cut_download_goes_on_where_it_stopped() {
    let cut = When::kind(CallKind::Download).nth(Nth::First(2));
    let rules = vec![Rule::new(cut, Fault::CutDownload { after_rows: 2 })];
    let world = support::world(1, support::settings(), rules).await;
    let renders = support::play(&world, &vec![body("batch", ""); 5]).await;
    assert_eq!(support::succeeded(&renders), 5);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_is_bought_again() {
    let rules = vec![Rule::new(
        When::kind(CallKind::Create).nth(Nth::First(1)),
        Fault::FailJob { code: 13 },
    )];
    let world = support::world(1, support::settings(), rules).await;
    let renders = support::play(&world, &[body("batch", ""), body("batch", "")]).await;
    assert_eq!(support::succeeded(&renders), 2);
    let failed = world
        .database
        .batches()
        .iter()
        .filter(|b| matches!(b.status, BatchStatus::Failed { .. }))
        .count();
    assert_eq!(failed, 1);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_renewed_within_the_call() {
    let rules =
        vec![Rule::new(When::kind(CallKind::Online).nth(Nth::First(1)), Fault::status(401))];
    let world = support::world(1, support::settings(), rules).await;
    let renders = support::play(&world, &[body("online", "")]).await;
    assert_eq!(support::succeeded(&renders), 1);
    assert_eq!(world.sandbox.bill().charges.len(), 1);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn every_message_twice_means_one_end_and_one_charge() {
    let world = support::world(1, support::settings(), Vec::new()).await;
    for nth in (1..80).step_by(2) {
        world.chaos.fail_nth(Call::Receive, nth, Mishap::Duplicate);
        world.chaos.fail_nth(Call::Deliver, nth, Mishap::Duplicate);
        world.chaos.fail_nth(Call::QueueSend, nth, Mishap::Duplicate);
    }
    let renders = support::play(&world, &[body("online", ""), body("batch", "")]).await;
    assert_eq!(support::succeeded(&renders), 2);
    assert_eq!(world.sandbox.bill().charges.len(), 2);
    support::check(&world);
}

#[tokio::test(start_paused = true)]
async fn the_same_key_makes_one_render_and_another_body_is_refused() {
    let world = support::world(1, support::settings(), Vec::new()).await;
    let script = async {
        let first = world.accept(&body("online", ""), "key").await?;
        let again = world.accept(&body("online", ""), "key").await?;
        assert_eq!(first, again);
        let other = world.accept(&body("online", "other"), "key").await.unwrap_err();
        assert!(other.to_string().contains("422"), "{other}");
        support::settle(&world, 1).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn the_same_request_finds_its_render_after_the_world_has_moved_on() {
    let world = support::world(1, support::settings(), Vec::new()).await;
    let script = async {
        let first = world.accept(&body("online", ""), "key").await?;
        world.settings.set("enable-gemini-batch", "false").unwrap();
        let again = world.accept(&body("online", ""), "key").await?;
        assert_eq!(first, again);
        let other = world.accept(&body("online", "other"), "key").await.unwrap_err();
        assert!(other.to_string().contains("422"), "{other}");
        let fresh = world.accept(&body("online", ""), "fresh").await.unwrap_err();
        assert!(fresh.to_string().contains("503"), "{fresh}");
        support::settle(&world, 1).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn only_uploads_may_be_named_as_pictures() {
    let world = support::world(1, support::settings(), Vec::new()).await;
    let mut stranger = body("online", "");
    for key in ["out/somebody/1.jpg", "/etc/passwd", "", "in/\u{0}"] {
        stranger["person"]["photo"] = serde_json::json!(key);
        let error = world.accept(&stranger, "key").await.unwrap_err().to_string();
        assert!(error.contains("422") && error.contains("person.photo"), "{error}");
    }
}
