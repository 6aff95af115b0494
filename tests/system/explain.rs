//! Operators are told why a render went where it went, and it is what is stored.

use std::time::Duration;

use serde_json::{Value, json};
use tryon_core::{
    chain::Step,
    ids::RenderId,
    memory::{Rates, SeededRandom},
    money::Micros,
    ops::Explanation,
    ports::{Random, Renders},
    render::{Render, RenderStatus},
    routing::{Percent, Route},
    settings::Settings,
};
use tryon_local::world::{Refused, World, WorldConfig};
use tryon_sandbox::{CallKind, Fault, Rule, When};

use crate::support::{self, body};

const RENDERS: usize = 1_000;

/// Refusals, losses and outages on both routes, and jobs that stand still.
fn faults() -> Vec<Rule> {
    let some = |kind, fault| Rule::new(When::kind(kind).probability(0.08), fault);
    let outage = When::kind(CallKind::Online);
    let outage = outage.between(Duration::from_secs(1_200), Duration::from_secs(1_500));
    let stuck = When::kind(CallKind::Create).probability(0.2);
    vec![
        Rule::new(outage, Fault::status(500)),
        Rule::new(stuck, Fault::StickPending { seconds: Some(14_400) }),
        some(CallKind::Online, Fault::status(500)),
        some(CallKind::Online, Fault::LoseAnswer),
        some(CallKind::Online, Fault::refused()),
        some(CallKind::Online, Fault::finish("MAX_TOKENS")),
        some(CallKind::Create, Fault::FailJob { code: 13 }),
        some(CallKind::Row, Fault::MissingRow { billed: true }),
        some(CallKind::Row, Fault::refused()),
        some(CallKind::PredictionCreate, Fault::LoseAnswer),
        some(CallKind::Prediction, Fault::failed("E9828")),
        some(CallKind::Prediction, Fault::failed("E005")),
        some(CallKind::Delivery, Fault::status(404)),
    ]
}

fn pick<T: Copy>(random: &SeededRandom, choices: &[T]) -> T {
    let at = random.next_u64() % choices.len() as u64;
    choices[usize::try_from(at).unwrap()]
}

/// A request as shops send them, of any kind.
fn any_body(random: &SeededRandom, number: usize) -> Value {
    let mut body = body("online", "");
    let fields = body.as_object_mut().unwrap();
    fields["user_id"] = json!(format!("shopper-{}", number % 700));
    fields["quality"] = json!(pick(random, &["sd", "sd", "hd", "4k"]));
    match pick(random, &["online", "batch", "", ""]) {
        "" => drop(fields.remove("lane")),
        lane => fields["lane"] = json!(lane),
    }
    if let Some(deadline) = pick(random, &[None, None, Some(120), Some(3_600)]) {
        fields.insert("deadline_seconds".to_owned(), json!(deadline));
    }
    if pick(random, &[true, false]) {
        fields.insert("accept_described".to_owned(), json!(false));
    }
    body
}

/// Operators turn knobs while renders come in.
fn turn(world: &World, random: &SeededRandom) {
    let (name, texts): (_, &[&str]) = match pick(random, &[0, 1, 2, 3, 4]) {
        0 => ("traffic-percent", &["10", "50", "100"]),
        1 => ("traffic-ceiling", &["20", "100", "100"]),
        2 => ("default-lane", &["auto", "online", "batch"]),
        3 => ("when-budget-exhausted", &["fallback", "legacy"]),
        _ => ("daily-budget-usd", &["200", "200", "1"]),
    };
    world.settings.set(name, pick(random, texts)).unwrap();
}

async fn played(seed: u64) -> World {
    let settings =
        Settings { max_batch_size: 8, traffic_percent: Percent::FULL, ..support::settings() };
    let sandbox = support::quick(seed, faults());
    let steps = &Step::ALL;
    let config = WorldConfig { seed, settings, sandbox, steps, ..WorldConfig::default() };
    let world = support::world_of(config).await;
    world.chaos.set_rates(Rates::all(100));
    let random = SeededRandom::new(seed);
    let script = async {
        let (mut number, mut accepted) = (0, 0);
        while accepted < RENDERS {
            if number % 25 == 24 {
                turn(&world, &random);
            }
            let body = any_body(&random, number);
            accepted += usize::from(accept(&world, &body, &format!("key-{number}")).await);
            number += 1;
            world.clock.sleep(Duration::from_secs(3)).await;
        }
        support::settle(&world, RENDERS).await;
        Ok(())
    };
    world.serve_until(script).await.unwrap();
    world.chaos.set_rates(Rates::default());
    world
}

/// Posts until there is an answer; on a day whose money is spent some are turned away.
async fn accept(world: &World, body: &Value, key: &str) -> bool {
    while let Err(error) = world.accept(body, key).await {
        let refused = error.downcast_ref::<Refused>().map(|refused| refused.status);
        if refused == Some(429) {
            return false;
        }
        assert!(refused.is_none_or(|status| status >= 500), "{error}");
        world.clock.sleep(Duration::from_secs(1)).await;
    }
    true
}

async fn explained(world: &World, id: &RenderId) -> Explanation {
    let path = format!("renders/{id}");
    let (status, answer) = world.ops("GET", &path, &Value::Null).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    serde_json::from_value(answer).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_follows_is_what_is_stored_for_a_thousand_renders() {
    let world = played(11).await;
    let renders = support::renders(&world);
    let (mut batches, mut moved, mut paid_twice) = (0, 0, 0);
    for render in &renders {
        let told = explained(&world, &render.id).await;
        assert_eq!(told.differs, [], "{told:#?} of {render:#?}");
        assert_eq!((told.bucket, told.cost), (render.bucket.get(), render.cost()));
        assert_eq!((told.route.assigned, told.route.served), (render.assigned, render.served));
        let cost: Micros = told.tries.iter().map(|attempt| attempt.cost).sum();
        assert_eq!(cost, render.cost(), "the tries and the row: {told:#?}");
        assert!(told.grounds.is_some() && !told.tries.is_empty(), "{told:#?}");
        batches += usize::from(!told.batches.is_empty());
        moved += usize::from(told.tries.len() > 1);
        paid_twice += usize::from(render.costs.len() > 1);
    }
    let diverted =
        renders.iter().filter(|r| (r.assigned, r.served) == (Route::Gemini, Route::Legacy));
    let failed = renders.iter().filter(|r| matches!(r.status, RenderStatus::Failed { .. }));
    let counts = [renders.len(), batches, moved, paid_twice, diverted.count(), failed.count()];
    println!("renders, in batches, with more tries, more bills, diverted, failed: {counts:?}");
    assert_eq!(counts[0], RENDERS);
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
}

/// What a hand does to a row, which was like that.
type Change = fn(&mut Render, Render);

#[tokio::test(start_paused = true)]
async fn a_row_that_was_changed_by_hand_is_found_out() {
    let world = support::whole_world(3, support::settings(), vec![]).await;
    let render = support::play(&world, &[body("batch", "")]).await.remove(0);
    let told = explained(&world, &render.id).await;
    assert_eq!((told.differs, told.batches.len()), (vec![], 1));
    let attempt = render.costs.keys().next().unwrap().clone();
    let other = |render: &Render| render.accepted_at + chrono::TimeDelta::seconds(7);
    let changes: [(&str, Change); 4] = [
        ("bucket", |row, _| row.bucket = tryon_core::routing::Bucket::from_hash(0)),
        ("assigned route", |row, _| row.assigned = Route::Legacy),
        ("lane", |row, _| row.lane = tryon_core::lane::Lane::Online),
        ("cost of", |row, was| {
            row.costs = was.costs.keys().map(|id| (id.clone(), Micros::new(1))).collect();
        }),
    ];
    for (what, change) in changes {
        let mut row = support::renders(&world).remove(0);
        let (version, was) = (row.version, row.clone());
        change(&mut row, was);
        let renders: &dyn Renders = world.database.as_ref();
        assert_eq!(renders.update(&[row]).await, Ok(vec![true]));
        let told = explained(&world, &render.id).await;
        assert!(told.differs.iter().any(|d| d.what.contains(what)), "{what}: {:?}", told.differs);
        let back = Render { version: version + 1, ..render.clone() };
        assert_eq!(renders.update(&[back]).await, Ok(vec![true]));
    }
    let mut row = Render { deadline_at: other(&render), ..support::renders(&world).remove(0) };
    row.costs.remove(&attempt);
    let renders: &dyn Renders = world.database.as_ref();
    assert_eq!(renders.update(&[row]).await, Ok(vec![true]));
    let told = explained(&world, &render.id).await;
    let whats: Vec<_> = told.differs.iter().map(|d| d.what.as_str()).collect();
    assert!(
        whats.contains(&"deadline") && whats.iter().any(|what| what.starts_with("cost of")),
        "{whats:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_forgotten_leaves_money_and_nothing_else() {
    let world = support::whole_world(5, support::settings(), vec![]).await;
    let bodies: Vec<_> = (0..6)
        .map(|n| {
            let mut body =
                body(if n % 2 == 0 { "batch" } else { "online" }, "a dress for my sister");
            body["user_id"] = json!(if n < 4 { "alice" } else { "bob" });
            body
        })
        .collect();
    let renders = support::play(&world, &bodies).await;
    support::check(&world);
    let settled = support::balance(&world).settled;
    let forget = async |user: &str| {
        let body = json!({"user_id": user});
        world.ops("POST", "forget", &body).await.unwrap()
    };
    // Bob shares the person's photo in this story, which goes with alice.
    let (status, receipt) = forget("alice").await;
    assert_eq!((status, &receipt["renders"], &receipt["pictures"]), (200, &json!(4), &json!(4)));
    assert_eq!((&receipt["under_way"], &receipt["more"]), (&json!([]), &json!(false)));
    assert!(receipt["batches"].as_u64().unwrap() > 0 && receipt["cost_kept"].as_u64().unwrap() > 0);
    assert_eq!(support::balance(&world).settled, settled);
    let left = support::renders(&world);
    assert!(left.len() == 2 && left.iter().all(|render| render.user_id.as_str() == "bob"));
    for render in renders.iter().filter(|render| render.user_id.as_str() == "alice") {
        let RenderStatus::Succeeded { picture, .. } = &render.status else { panic!("a picture") };
        assert!(world.objects.digest(&picture.key).is_none());
        let path = format!("renders/{}", render.id);
        assert_eq!(world.ops("GET", &path, &Value::Null).await.unwrap().0, 404);
        for batch in world.database.batches() {
            let mut orders = batch.orders.iter().filter(|order| order.render_id == render.id);
            assert!(orders.all(|order| !format!("{order:?}").contains("sister")));
        }
    }
    assert_eq!(forget("alice").await.1["renders"], 0);
    // News that comes late finds nobody, and harms nothing.
    support::wait(&world, Duration::from_secs(7_200)).await;
    assert_eq!(support::balance(&world).settled, settled);
}
