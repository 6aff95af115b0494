//! The legacy route in bad weather, and on an account that is nearly empty.

use std::time::Duration;

use serde_json::json;
use tryon_core::{
    budget::Account, chain::Step, money::Micros, render::RenderStatus, routing::Route,
};
use tryon_sandbox::{CallKind, Fault, Rule, SandboxConfig, When};

use crate::{
    chain::{self, legacy},
    support::{self, body},
};

const RENDERS: usize = 1_000;

/// Of the predictions, of the looks at them and of the downloads of their pictures, 8 % each fail for
/// reasons of the platform; of the answers to creates, 2 % are lost.
fn weather() -> Vec<Rule> {
    let some = |kind, part, fault| Rule::new(When::kind(kind).probability(part), fault);
    let codes = ["PA", "E003", "E004", "E9828", "E6716"];
    // Each rule sees what those before it passed over; over so few that hardly matters.
    let part = 0.08 / 5.0;
    let mut rules: Vec<_> = codes
        .into_iter()
        .map(|code| some(CallKind::Prediction, part, Fault::failed(code)))
        .collect();
    rules.extend([
        some(CallKind::PredictionCreate, 0.02, Fault::LoseAnswer),
        some(CallKind::PredictionGet, 0.04, Fault::status(500)),
        some(CallKind::PredictionGet, 0.04, Fault::status(503)),
        some(CallKind::Delivery, 0.08, Fault::CutPicture { after_bytes: 100 }),
    ]);
    rules
}

#[tokio::test(start_paused = true)]
async fn a_thousand_renders_in_bad_weather_end_and_are_paid_for_once() {
    let world = support::whole_world(11, legacy(), weather()).await;
    let script = async {
        for number in 0..RENDERS {
            let mut body = body(if number % 3 == 0 { "batch" } else { "online" }, "");
            body["user_id"] = json!(format!("shopper-{number}"));
            body["quality"] = json!(if number % 10 == 0 { "4k" } else { "sd" });
            support::accept(&world, &body, &format!("key-{number}")).await;
            world.clock.sleep(Duration::from_secs(1)).await;
        }
        support::settle(&world, RENDERS).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    let renders = support::renders(&world);
    assert!(renders.iter().all(|r| (r.assigned, r.served) == (Route::Legacy, Route::Legacy)));
    let done = support::succeeded(&renders);
    let again = renders.iter().filter(|render| render.n > 1).count();
    let granted = renders.iter().filter(|render| render.granted.is_some()).count();
    let balance = support::balance_of(&world, &[Account::Replicate]);
    let creates = world.sandbox.calls()[&CallKind::PredictionCreate];
    println!(
        "{done} of {RENDERS} with a picture; {again} at a second try or more, {granted} by grant, \
         {creates} creates, {} bills, {balance:?}",
        world.sandbox.bill().charges.len(),
    );
    // The weather was felt, and one more try was nearly always enough.
    assert!(again > 40, "{again} tried again");
    assert!(done > RENDERS * 99 / 100, "{done} with a picture");
    // A create whose answer was lost is in the list, so that nobody buys in its place.
    assert_eq!((granted, balance.held), (0, Micros::ZERO));
    support::check_calm(&world);
}

/// With little credit left, an account may create six predictions a minute, one at a time. Renders
/// queue for their turn; whoever does not get one in time ends and says so, and nothing is bought for
/// them.
#[tokio::test(start_paused = true)]
async fn an_account_with_little_credit_serves_as_many_as_it_may() {
    for count in [6, 60] {
        let skipped = When::kind(CallKind::Prediction).key("/nano_banana/").probability(0.5);
        let rules = vec![Rule::new(skipped, Fault::fail("no (E006)"))];
        let sandbox = SandboxConfig { low_credit: true, ..support::quick(3, rules) };
        let world = support::world_with(3, legacy(), sandbox, &Step::ALL).await;
        let bodies: Vec<_> = (0..count)
            .map(|number| {
                let mut body = body("online", "");
                body["user_id"] = json!(format!("shopper-{number}"));
                body
            })
            .collect();
        let renders = support::play(&world, &bodies).await;
        let done = support::succeeded(&renders);
        let pictures =
            || renders.iter().filter(|r| matches!(r.status, RenderStatus::Succeeded { .. }));
        let further = pictures().filter(|r| chain::made(r).0 != Step::NanoBanana).count();
        assert!(renders.iter().all(|r| {
            let late = r.status.ended_at().unwrap() - r.give_up_at;
            late.num_seconds() <= 90
        }));
        println!("{done} of {count} with a picture, {further} by a further step");
        // Half of them need two turns; there are 6 a minute, for 8 minutes or more.
        assert!(
            done >= count.min(25) && further > 0,
            "{done} of {count}, {further} by a further step"
        );
        assert_eq!(world.sandbox.bill().charges.len(), done, "bought for nobody");
        assert_eq!(chain::replicate(&world).held, Micros::ZERO);
        support::check_calm(&world);
    }
}
