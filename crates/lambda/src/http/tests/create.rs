use std::time::Duration;

use serde_json::{Value, json};
use tryon_core::{
    chain::Step,
    contract::fixtures::{canned_jpeg, jpeg},
    lane::Lane,
    memory::{Call, Mishap},
    money::Micros,
    ports::{Clock, QueueName},
    routing::{Percent, Route},
    settings::{Settings, WhenBudgetExhausted},
};

use super::edge::{ALICE, Edge, event, read_of, with_body, with_key};
use crate::testing::{House, settings};

#[tokio::test]
async fn a_render_is_accepted_once_and_can_be_read() {
    let edge = Edge::new().await;
    let first = edge.ask(event("create")).await;
    assert_eq!((first.status, &first.body["status"]), (202, &json!("accepted")), "{first:?}");
    assert_eq!(first.body["lane"], "batch");
    assert_eq!(first.headers["x-request-id"], "shop-7f3a");
    assert_eq!(first.headers["content-type"], "application/json");
    assert_eq!(first.headers["retry-after"], "60");
    let id = first.body["render_id"].as_str().unwrap();
    assert_eq!(first.headers["location"], format!("/v1/renders/{id}"));
    let again = edge.ask(event("duplicate")).await;
    assert_eq!((again.status, &again.body["render_id"]), (202, &first.body["render_id"]));
    assert_eq!(edge.house.queues.depth(QueueName::Accumulator).total(), 1);
    let read = edge.ask(read_of(&first, "read")).await;
    assert_eq!((read.status, &read.body["render_id"]), (200, &first.body["render_id"]));
    assert_eq!(read.body["status"], "queued");
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let edge = Edge::new().await;
    edge.ask(event("create")).await;
    let other = edge.ask(with_body(|body| body["quality"] = json!("sd"))).await;
    assert_eq!(other.problem(), (422, "key-reused", "idempotency-key"));
}

#[tokio::test]
async fn a_whole_number_is_whole_however_it_is_written() {
    let edge = Edge::new().await;
    let wait =
        async |seconds: Value| edge.ask(with_body(|body| body["deadline_seconds"] = seconds)).await;
    let plain = wait(json!(7_200)).await;
    assert_eq!(plain.status, 202, "{plain:?}");
    let same = wait(json!(7.2e3)).await;
    assert_eq!((same.status, &same.body["render_id"]), (202, &plain.body["render_id"]));
    for other in [json!(7_200.5), json!(-60.0), json!(1e15), json!(1e300)] {
        assert_eq!(wait(other).await.problem(), (422, "field", "deadline_seconds"));
    }
}

#[tokio::test]
async fn an_owner_names_only_pictures_of_their_own() {
    let edge = Edge::new().await;
    assert_eq!(edge.ask(event("create-jwt")).await.status, 202);
    let photo = async |key: &str| {
        let mut event = event("create-jwt");
        event["isBase64Encoded"] = json!(false);
        event["headers"]["idempotency-key"] = json!("look-2");
        let body = json!({
            "person": {"photo": key},
            "garments": [{"photo": key, "category": "shirt"}],
            "quality": "sd",
        });
        event["body"] = json!(body.to_string());
        edge.ask(event).await
    };
    let theirs = photo("in/person.jpg").await;
    let absent = photo(&format!("{ALICE}none.jpg")).await;
    assert_eq!(theirs.problem(), (422, "field", "person.photo"));
    assert_eq!(theirs.body, absent.body, "an oracle");
    // A backend shares garments between users.
    let body = |b: &mut Value| {
        b["garments"][0]["photo"] =
            json!(format!("{ALICE}019cb3a1-9e00-7000-8000-1a2b3c4d5e6f.jpg"));
    };
    let mut shared = with_body(body);
    shared["headers"]["idempotency-key"] = json!("shared");
    assert_eq!(edge.ask(shared).await.status, 202);
}

#[tokio::test]
async fn pictures_are_looked_at_before_money_is_spent() {
    let edge = Edge::new().await;
    let head = jpeg(512, 768);
    let profile = [&[0xff, 0xe2, 0xff, 0xff][..], &vec![0; 65_533]].concat();
    let far = [&head[..20], &profile, &profile, &head[20..]].concat();
    edge.house.put("in/far.jpg", far.clone()).await;
    edge.house.put("in/cut.jpg", far[..100_000].to_vec()).await;
    edge.house.put("in/small.jpg", jpeg(255, 768)).await;
    edge.house.put("in/long.jpg", jpeg(300, 8_193)).await;
    edge.house.put("in/bomb.jpg", jpeg(8_000, 8_000)).await;
    edge.house.put("in/text.jpg", b"<svg/>".to_vec()).await;
    edge.house.put("in/heavy.jpg", canned_jpeg(7_000_001)).await;
    let mut moving = b"RIFF\x1c\0\0\0WEBPVP8X\x0a\0\0\0".to_vec();
    moving.extend([2, 0, 0, 0, 0xff, 1, 0, 0xff, 1, 0, 0, 0, 0, 0, 0, 0]);
    edge.house.put("in/moving.jpg", moving).await;
    let cases = [
        ("cut", "save the picture anew and upload it whole"),
        ("small", "upload a picture of at least 256 pixels a side"),
        ("long", "upload a picture of at most 8192 pixels a side"),
        ("bomb", "upload a picture of at most 40 megapixels"),
        ("text", "upload a JPEG, PNG or WebP picture"),
        ("heavy", "upload a picture of at most 7000000 bytes"),
        ("moving", "upload a still picture"),
    ];
    for (name, fix) in cases {
        let key = format!("in/{name}.jpg");
        let answer = edge.ask(with_body(|body| body["garments"][0]["photo"] = json!(key))).await;
        assert_eq!(answer.problem(), (422, "field", "garments[0].photo"), "{name}");
        assert!(answer.detail().starts_with(fix), "{name}: {}", answer.detail());
    }
    assert_eq!(edge.house.database.renders(), []);
    let good = edge.ask(with_body(|body| body["person"]["photo"] = json!("in/far.jpg"))).await;
    assert_eq!(good.status, 202, "{good:?}");
}

#[tokio::test]
async fn our_own_trouble_is_told_without_its_cause() {
    let edge = Edge::new().await;
    for call in [Call::RenderInsert, Call::ObjectPeek, Call::AttemptBalance] {
        edge.house.chaos.fail_next(call, Mishap::Throttled);
        let answer = edge.ask(event("create")).await;
        assert_eq!(answer.problem(), (503, "unavailable", ""));
        assert_eq!(answer.detail(), "try again; a render keeps its idempotency key");
        assert_eq!(answer.headers["retry-after"], "2");
    }
    assert_eq!(edge.ask(event("create")).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn an_hour_brings_a_user_so_many_renders() {
    let edge = Edge::new().await;
    for number in 0..20 {
        assert_eq!(edge.ask(with_key(&format!("key-{number}"))).await.status, 202);
        edge.house.clock.sleep(Duration::from_secs(60)).await;
    }
    let answer = edge.ask(with_key("one-more")).await;
    assert_eq!(answer.problem(), (429, "hourly-limit", ""));
    let wait: u64 = answer.headers["retry-after"].as_str().unwrap().parse().unwrap();
    assert_eq!(wait, 2_400);
    // Repeats and other users are no more renders of this one.
    assert_eq!(edge.ask(with_key("key-0")).await.status, 202);
    let mut bob = with_body(|body| body["user_id"] = json!("bob"));
    bob["headers"]["idempotency-key"] = json!("one-more");
    assert_eq!(edge.ask(bob).await.status, 202);
    edge.house.clock.sleep(Duration::from_secs(wait)).await;
    assert_eq!(edge.ask(with_key("one-more")).await.status, 202);
}

/// A house that runs every step.
async fn whole_house(settings: Settings) -> Edge {
    let edge = Edge::of(House { available: &Step::ALL, ..House::new() }).await;
    edge.house.settings.replace(settings);
    edge
}

const NOTHING: Micros = Micros::ZERO;

#[tokio::test]
async fn both_caps_reached_is_told_at_the_edge() {
    let poor = Settings { daily_budget: NOTHING, replicate_daily_budget: NOTHING, ..settings() };
    let edge = whole_house(Settings { ..settings() }).await;
    let before = edge.ask(event("create")).await;
    edge.house.settings.replace(poor);
    let answer = edge.ask(with_key("poor")).await;
    assert_eq!(answer.problem(), (429, "budget-exhausted", ""));
    // Midnight is twelve hours away, but a budget may be raised at any time.
    assert_eq!(answer.headers["retry-after"], "3600");
    // What was accepted stands.
    let again = edge.ask(event("create")).await;
    assert_eq!((again.status, &again.body["render_id"]), (202, &before.body["render_id"]));
    assert_eq!(edge.house.database.renders().len(), 1);
}

#[tokio::test]
async fn without_google_money_a_render_begins_where_ops_want_it() {
    use WhenBudgetExhausted::{Fallback, Legacy, Reject};
    let cases = [
        (Fallback, Some((Route::Gemini, Step::PhotoMaker))),
        (Legacy, Some((Route::Legacy, Step::NanoBanana))),
        (Reject, None),
    ];
    for (when, expected) in cases {
        let edge = whole_house(Settings {
            daily_budget: NOTHING,
            when_budget_exhausted: when,
            ..settings()
        })
        .await;
        let answer = edge.ask(event("create")).await;
        let Some((served, step)) = expected else {
            assert_eq!(answer.problem(), (429, "budget-exhausted", ""));
            continue;
        };
        let row = edge.row(&answer).await;
        assert_eq!((row.assigned, row.served, row.step), (Route::Gemini, served, step));
        assert_eq!((row.lane, &answer.body["lane"]), (Lane::Online, &json!("online")));
        assert_eq!(edge.house.queues.depth(QueueName::Replicate).total(), 1);
    }
}

#[tokio::test]
async fn the_price_of_the_first_step_decides() {
    // Room for Nano Banana at 15 cents, none for PhotoMaker at its longest.
    let settings = Settings {
        daily_budget: NOTHING,
        replicate_daily_budget: Micros::new(200_000),
        ..settings()
    };
    let edge = whole_house(settings.clone()).await;
    assert_eq!(edge.ask(event("create")).await.problem(), (429, "budget-exhausted", ""));
    let legacy =
        Settings { when_budget_exhausted: WhenBudgetExhausted::Legacy, ..settings.clone() };
    edge.house.settings.replace(legacy);
    assert_eq!(edge.ask(event("create")).await.status, 202);
}

#[tokio::test]
async fn a_legacy_user_goes_to_replicate() {
    let outside = Settings { traffic_percent: Percent::ZERO, ..settings() };
    let edge = whole_house(outside.clone()).await;
    let answer = edge.ask(event("create")).await;
    let row = edge.row(&answer).await;
    assert_eq!((row.assigned, row.served), (Route::Legacy, Route::Legacy));
    assert_eq!((row.step, row.lane), (Step::NanoBanana, Lane::Online));
    assert_eq!(edge.house.queues.depth(QueueName::Replicate).total(), 1);
    let edge = Edge::new().await;
    edge.house.settings.replace(outside);
    assert_eq!(edge.ask(event("create")).await.problem(), (503, "closed", ""));
}
