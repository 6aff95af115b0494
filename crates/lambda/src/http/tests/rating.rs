use serde_json::{Value, json};
use tryon_core::{
    catalogue::Size,
    chain::Fidelity,
    contract::fixtures::start,
    memory::{Call, Mishap},
    picture::{Mime, PictureRef},
    ports::Renders,
    rating::Rating,
    render::{FailureCode, RenderStatus},
};

use super::edge::{Answer, Edge, changed, event};

fn succeeded(fidelity: Fidelity) -> RenderStatus {
    let picture = PictureRef { key: "out/a.jpg".to_owned(), bytes: 7, mime: Mime::Jpeg };
    RenderStatus::Succeeded { picture, fidelity, size: Size::OneK, at: start() }
}

/// A render that ended so.
async fn ended(edge: &Edge, status: RenderStatus) -> Answer {
    let created = edge.ask(event("create")).await;
    let mut row = edge.row(&created).await;
    row.status = status;
    edge.house.database.update(&[row]).await.unwrap();
    created
}

fn rate(created: &Answer, body: Value) -> Value {
    let mut event = changed("rate", |old| *old = body);
    event["rawPath"] = json!(format!("{}/rating", created.headers["location"].as_str().unwrap()));
    event
}

fn by_alice(created: &Answer, rating: &Value) -> Value {
    rate(created, json!({"user_id": "alice", "rating": rating}))
}

#[tokio::test(start_paused = true)]
async fn a_picture_is_rated_once() {
    // Of whichever fidelity: how it was made is no matter of the customer's.
    for fidelity in [Fidelity::Exact, Fidelity::Described] {
        let edge = Edge::new().await;
        let created = ended(&edge, succeeded(fidelity)).await;
        for _ in 0..2 {
            let answer = edge.ask(by_alice(&created, &json!(4))).await;
            let id = &created.body["render_id"];
            assert_eq!(
                (answer.status, &answer.body),
                (200, &json!({"render_id": id, "rating": 4}))
            );
        }
        let other = edge.ask(by_alice(&created, &json!(5))).await;
        assert_eq!(other.problem(), (409, "rated", ""));
        let kept: Vec<Rating> = edge.house.database.ratings().into_values().collect();
        assert_eq!(kept.iter().map(|rating| rating.get()).collect::<Vec<_>>(), [4]);
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_owner_rates_and_only_a_picture() {
    let edge = Edge::new().await;
    let created = edge.ask(event("create")).await;
    assert_eq!(edge.ask(by_alice(&created, &json!(4))).await.problem(), (409, "no-picture", ""));
    let edge = Edge::new().await;
    let failed = RenderStatus::Failed { code: FailureCode::TimedOut, at: start() };
    let created = ended(&edge, failed).await;
    assert_eq!(edge.ask(by_alice(&created, &json!(4))).await.problem(), (409, "no-picture", ""));
    let edge = Edge::new().await;
    let created = ended(&edge, succeeded(Fidelity::Exact)).await;
    let strange = rate(&created, json!({"user_id": "mallory", "rating": 4}));
    assert_eq!(edge.ask(strange).await.problem(), (404, "not-found", ""));
    let mut unsigned = by_alice(&created, &json!(4));
    unsigned["requestContext"]["authorizer"] = Value::Null;
    assert_eq!(edge.ask(unsigned).await.problem(), (401, "no-caller", ""));
    for id in ["", "x", "019cb3a1-9e00-7000-8000-5f0c1d2e3a4b"] {
        let mut unknown = event("rate");
        unknown["rawPath"] = json!(format!("/v1/renders/{id}/rating"));
        assert_eq!(edge.ask(unknown).await.problem(), (404, "not-found", ""), "{id}");
    }
    assert!(edge.house.database.ratings().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rating_is_a_whole_number_from_1_to_5() {
    let edge = Edge::new().await;
    let created = ended(&edge, succeeded(Fidelity::Exact)).await;
    for rating in [json!(0), json!(6), json!(261), json!(-1), json!(4.5), json!("4"), json!(null)] {
        let answer = edge.ask(by_alice(&created, &rating)).await;
        assert_eq!(answer.problem(), (422, "field", "rating"), "{rating}");
    }
    let misspelt = rate(&created, json!({"user_id": "alice", "stars": 4}));
    assert_eq!(edge.ask(misspelt).await.problem(), (422, "field", "stars"));
    let missing = rate(&created, json!({"user_id": "alice"}));
    assert_eq!(edge.ask(missing).await.problem(), (422, "field", "rating"));
    assert_eq!(
        edge.ask(by_alice(&created, &json!(5.0))).await.status,
        200,
        "as JSON Schema has it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again() {
    let edge = Edge::new().await;
    let created = ended(&edge, succeeded(Fidelity::Exact)).await;
    edge.house.chaos.fail_next(Call::RenderRate, Mishap::Lost);
    assert_eq!(edge.ask(by_alice(&created, &json!(2))).await.problem(), (503, "unavailable", ""));
    assert_eq!(edge.ask(by_alice(&created, &json!(2))).await.status, 200);
}
