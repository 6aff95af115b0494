//! What counts against a backend, and who may try whether it is back.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::TimeDelta;
use serde_json::json;
use tryon_core::{
    catalogue::{Backend, Catalogue},
    chain::Step,
    memory::{Call, Rates},
    picture::Mime,
    ports::{Objects, ProviderHealth},
    routing::Route,
    settings::Settings,
    vitals::{Gate, Tally, Vitals},
};
use tryon_local::{
    arrivals::{CANNED_PHOTO, PERSON},
    world::WorldConfig,
};
use tryon_sandbox::{CallKind, Fault, Nth, Rule, When};

use crate::{
    health::{ONLINE, gate, online_calls, open},
    support::{self, body},
};

/// What a job came to counts, not that it was taken; and once, whoever looks at it.
#[tokio::test(start_paused = true)]
async fn jobs_that_fail_open_the_breaker_though_they_are_taken() {
    let job = Rule::new(When::kind(CallKind::Create), Fault::FailJob { code: 13 });
    let row = Rule::new(When::kind(CallKind::Row), Fault::ErrorRow { code: 13 });
    let one_in_three = When::kind(CallKind::Create).nth(Nth::Every(3));
    let third = Rule::new(one_in_three, Fault::FailJob { code: 13 });
    for (rule, opens) in [(job, true), (row, true), (third, false)] {
        let settings = Settings { max_batch_size: 1, ..support::settings() };
        let world = support::whole_world(1, settings, vec![rule.clone()]).await;
        let script = async {
            for number in 0..9 {
                support::accept(&world, &body("batch", ""), &format!("key-{number}")).await;
            }
            world.clock.sleep(Duration::from_secs(150)).await;
            let now = world.clock.now();
            Ok(world.health.read(Backend::GeminiBatch.into(), now).await?)
        };
        let vitals = world.serve_until(script).await.unwrap();
        let (now, tally) = (world.clock.now(), vitals.within(10, world.clock.now()));
        assert_eq!(tally.calls, 9, "{rule:?}: a job is one call");
        assert_eq!(vitals.gate(now) != Gate::Closed, opens, "{rule:?}: {vitals:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_our_own_is_not_google_s() {
    let world = support::world(1, support::settings(), vec![]).await;
    let away = Rates { throttled: 10_000, ..Rates::default() };
    let script = async {
        world.chaos.set_rates_of(Call::Secret, away);
        for (number, lane) in ["online", "batch"].repeat(10).into_iter().enumerate() {
            support::accept(&world, &body(lane, ""), &format!("key-{number}")).await;
        }
        world.clock.sleep(Duration::from_secs(30)).await;
        world.chaos.set_rates_of(Call::ObjectPeek, away);
        world.chaos.set_rates_of(Call::Secret, Rates::default());
        world.clock.sleep(Duration::from_secs(300)).await;
        let now = world.clock.now();
        for backend in [ONLINE, Backend::GeminiBatch] {
            assert_eq!(world.health.read(backend.into(), now).await?, Vitals::default());
        }
        assert!(world.attempts.attempts().iter().any(|attempt| attempt.busy > 1));
        world.chaos.set_rates_of(Call::ObjectPeek, Rates::default());
        support::settle(&world, 20).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    assert_eq!(support::succeeded(&support::renders(&world)), 20);
    support::check_calm(&world);
}

/// A picture that is gone is no answer of Google's.
#[tokio::test(start_paused = true)]
async fn a_render_that_cannot_be_asked_for_leaves_its_turn_to_try() {
    for (lane, backend) in [("online", ONLINE), ("batch", Backend::GeminiBatch)] {
        let settings = Settings { max_batch_size: 1, ..support::settings() };
        let world = support::world(1, settings, vec![]).await;
        let script = async {
            open(&world, backend, TimeDelta::seconds(60)).await;
            support::accept(&world, &body(lane, ""), "key").await;
            world.clock.sleep(Duration::from_secs(10)).await;
            world.objects.remove(PERSON).await?;
            support::settle(&world, 1).await;
            let now = world.clock.now();
            let vitals = world.health.read(backend.into(), now).await?;
            assert_eq!(vitals.gate(now), Gate::HalfOpen, "{lane}");
            assert_eq!(vitals.within(10, now), Tally::default(), "{lane}");
            world.objects.put(PERSON, Bytes::from_static(CANNED_PHOTO), Mime::Jpeg).await?;
            support::accept(&world, &body(lane, ""), "another").await;
            support::settle(&world, 2).await;
            assert_eq!(gate(&world, backend).await, Gate::Closed, "{lane}");
            Ok(())
        };
        world.serve_until(script).await.unwrap();
        assert_eq!(support::succeeded(&support::renders(&world)), 1, "{lane}");
        support::check_calm(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_again_takes_nobody_s_turn_to_try() {
    let world = support::whole_world(1, support::settings(), vec![]).await;
    let script = async {
        support::accept(&world, &body("online", ""), "key").await;
        world.clock.sleep(Duration::from_secs(30)).await;
        open(&world, ONLINE, TimeDelta::seconds(60)).await;
        world.clock.sleep(Duration::from_secs(60)).await;
        support::accept(&world, &body("online", ""), "key").await;
        assert_eq!(gate(&world, ONLINE).await, Gate::HalfOpen);
        support::accept(&world, &body("online", ""), "another").await;
        assert!(matches!(gate(&world, ONLINE).await, Gate::Probing { .. }));
        support::settle(&world, 2).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    assert_eq!((online_calls(&world), support::diverted(&support::renders(&world))), (2, 0));
    support::check_calm(&world);
}

/// A model that has no Batch lane serves a patient render Online: that backend's breaker counts.
#[tokio::test(start_paused = true)]
async fn the_backend_that_will_serve_is_the_one_that_is_looked_at() {
    let text = include_str!("../../crates/core/catalogue.toml");
    let text = text.replacen("batch = \"gemini-batch\"\n", "", 1);
    let world = support::world_of(WorldConfig {
        settings: support::settings(),
        sandbox: support::quick(1, vec![]),
        steps: &Step::ALL,
        catalogue: Some(Arc::new(Catalogue::parse(&text).unwrap())),
        ..support::undisturbed()
    })
    .await;
    let mut patient = body("online", "");
    patient.as_object_mut().unwrap().remove("lane");
    patient["deadline_seconds"] = json!(7_200);
    let script = async {
        open(&world, ONLINE, TimeDelta::seconds(600)).await;
        support::accept(&world, &patient, "key").await;
        support::settle(&world, 1).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let render = &support::renders(&world)[0];
    assert_eq!((render.served, render.n, online_calls(&world)), (Route::Legacy, 1, 0));
    assert_eq!(world.attempts.attempts().len(), 1, "the router knew");
    support::check_calm(&world);
}
