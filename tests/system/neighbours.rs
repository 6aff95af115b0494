//! Renders that share a batch, a row or a run must not be hurt by one another.

use bytes::Bytes;
use serde_json::{Value, json};
use tryon_core::{
    memory::{Call, Mishap},
    picture::Mime,
    ports::{Objects, Renders},
    render::{FailureCode, Render, RenderStatus},
};
use tryon_local::{arrivals::CANNED_PHOTO, world::World};

use crate::support::{self, body};

fn with(mut body: Value, more: &[(&str, Value)]) -> Value {
    for (field, value) in more {
        body[*field] = value.clone();
    }
    body
}

fn by_key(world: &World, key: &str) -> Render {
    let found = support::renders(world).into_iter().find(|r| r.idempotency_key == key);
    found.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_batch_render_must_be_able_to_wait() {
    let world = support::world(1, support::settings(), Vec::new()).await;
    let hasty = [("deadline_seconds", json!(1)), ("give_up_seconds", json!(1))];
    let error = world.accept(&with(body("batch", ""), &hasty), "key").await.unwrap_err();
    assert!(error.to_string().contains("give_up_seconds"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn renders_with_time_outlive_the_hasty_one_among_them() {
    let mut settings = support::settings();
    settings.max_batch_size = 2;
    // One batch at its maximum fits, and the provider is down until the hasty render gives up.
    let down = tryon_sandbox::When::any()
        .between(std::time::Duration::ZERO, std::time::Duration::from_secs(2_400));
    let rules = vec![tryon_sandbox::Rule::new(down, tryon_sandbox::Fault::status(503))];
    let world = support::world(1, settings, rules).await;
    let hasty = with(
        body("batch", ""),
        &[("deadline_seconds", json!(1_800)), ("give_up_seconds", json!(1_800))],
    );
    let renders = support::play(&world, &[body("batch", ""), hasty]).await;
    assert_eq!(support::succeeded(&renders), 1);
    assert!(matches!(by_key(&world, "key-0").status, RenderStatus::Succeeded { .. }));
    support::check(&world);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_room_in_the_budget_is_not_its_end() {
    let mut settings = support::settings();
    settings.max_batch_size = 2;
    settings.daily_budget = "0.15".parse().unwrap();
    let world = support::world(1, settings, Vec::new()).await;
    let hasty = with(
        body("batch", ""),
        &[("deadline_seconds", json!(1_800)), ("give_up_seconds", json!(1_800))],
    );
    let bodies = [body("batch", ""), body("batch", ""), body("batch", ""), hasty];
    let renders = support::play(&world, &bodies).await;
    assert_eq!(support::failed(&renders, FailureCode::BudgetExhausted), 0);
    assert_eq!(support::succeeded(&renders), 4);
    support::check(&world);
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_is_gone_costs_no_neighbour() {
    let world = support::world(1, support::settings(), Vec::new()).await;
    let put = async |bytes: Vec<u8>| {
        world.objects.put("in/other.jpg", Bytes::from(bytes), Mime::Jpeg).await.unwrap();
    };
    let mut jpeg = CANNED_PHOTO.to_vec();
    let script = async {
        put(jpeg.clone()).await;
        for number in 0..5 {
            support::accept(&world, &body("batch", ""), &format!("good-{number}")).await;
        }
        let other = with(body("batch", ""), &[("person", json!({"photo": "in/other.jpg"}))]);
        support::accept(&world, &other, "other").await;
        jpeg.push(0);
        put(jpeg).await;
        support::settle(&world, 6).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    assert_eq!(support::succeeded(&support::renders(&world)), 5);
    assert!(matches!(by_key(&world, "other").status, RenderStatus::Failed { .. }));
    assert_eq!(world.sandbox.bill().charges.len(), 5);
    support::check_calm(&world);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_nobody_can_send_for_holds_up_no_other() {
    let world = support::world(1, support::settings(), Vec::new()).await;
    let script = async {
        for (key, lane) in [("poison", "batch"), ("good", "online")] {
            world.chaos.fail_nth(Call::QueueSend, 1, Mishap::Throttled);
            world.accept(&body(lane, ""), key).await.unwrap_err();
        }
        let mut poison = by_key(&world, "poison");
        poison.entry = "entry-of-last-year".into();
        assert_eq!(Renders::update(world.database.as_ref(), &[poison]).await, Ok(vec![true]));
        while !by_key(&world, "good").is_ended() {
            world.clock.sleep(std::time::Duration::from_secs(10)).await;
        }
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    assert!(matches!(by_key(&world, "good").status, RenderStatus::Succeeded { .. }));
}
