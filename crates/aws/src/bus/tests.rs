use serde_json::{Value, json};
use tryon_core::memory::SeededRandom;

use super::*;
use crate::testing::{Answer, SECRET, Sent, Wire, json, refusal};

fn bus(wire: &Wire) -> EventBridgeBus {
    let random = Arc::new(SeededRandom::new(1));
    EventBridgeBus::new(Client::new(&wire.config()), wire.clock(), random, "events-test")
}

fn event(n: usize) -> Announcement {
    let detail = json!({"n": n}).to_string();
    Announcement { source: "gemini.batch", detail_type: "gemini.batch.completed", detail }
}

fn events(many: usize) -> Vec<Announcement> {
    (0..many).map(event).collect()
}

fn entries(sent: &Sent) -> Vec<Value> {
    sent.json()["Entries"].as_array().unwrap().clone()
}

fn numbers(sent: &Sent) -> Vec<u64> {
    let number = |entry: &Value| {
        let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        detail["n"].as_u64().unwrap()
    };
    entries(sent).iter().map(number).collect()
}

/// Takes all entries but those with a number in `failing`, which fail with `code`.
fn taking(sent: &Sent, failing: &[u64], code: &str) -> Answer {
    let result = |number: &u64| {
        if failing.contains(number) {
            json!({"ErrorCode": code, "ErrorMessage": SECRET})
        } else {
            json!({"EventId": "e"})
        }
    };
    let numbers = numbers(sent);
    let failed = numbers.iter().filter(|number| failing.contains(number)).count();
    let results: Vec<_> = numbers.iter().map(result).collect();
    json(200, &json!({"FailedEntryCount": failed, "Entries": results}))
}

#[tokio::test(start_paused = true)]
async fn requests_hold_ten_events_and_a_megabyte() {
    let wire = Wire::new(|sent| taking(sent, &[], ""));
    let bus = bus(&wire);
    assert_eq!(bus.publish(events(12)).await, Ok(()));
    let sent = wire.sent();
    assert!(sent.iter().all(|sent| sent.target == "AWSEvents.PutEvents"));
    assert_eq!(sent.iter().map(|sent| entries(sent).len()).collect::<Vec<_>>(), [10, 2]);
    let expected = json!({
        "EventBusName": "events-test",
        "Source": "gemini.batch",
        "DetailType": "gemini.batch.completed",
        "Detail": "{\"n\":11}",
    });
    assert_eq!(entries(&sent[1])[1], expected);
    let long = |n| Announcement {
        detail: json!({"n": n, "x": "x".repeat(250_000)}).to_string(),
        ..event(n)
    };
    assert_eq!(bus.publish((0..5).map(long).collect()).await, Ok(()));
    assert_eq!(wire.sent().iter().map(numbers).collect::<Vec<_>>(), [vec![0, 1, 2], vec![3, 4]]);
}

#[tokio::test(start_paused = true)]
async fn only_what_failed_is_published_again() {
    for code in ["InternalFailure", "InternalException", "ThrottlingException"] {
        let mut left = 3;
        let wire = Wire::new(move |sent| {
            left -= 1;
            taking(sent, if left > 0 { &[1, 3] } else { &[] }, code)
        });
        assert_eq!(bus(&wire).publish(events(4)).await, Ok(()));
        let sent: Vec<_> = wire.sent().iter().map(numbers).collect();
        assert_eq!(sent, [vec![0, 1, 2, 3], vec![1, 3], vec![1, 3]], "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_stays_failed_is_told() {
    let unavailable = |text: &str| PortError::Unavailable(text.to_owned());
    let broken = |text: &str| PortError::Broken(text.to_owned());
    for (code, calls, expected) in [
        ("ThrottlingException", 4, unavailable("PutEvents: 1 entries failed 4 times")),
        ("MalformedDetail", 1, broken("PutEvents entry: MalformedDetail")),
        ("AccessDeniedException", 1, unavailable("PutEvents entry: AccessDeniedException")),
        ("Novelty", 1, unavailable("PutEvents entry: Novelty")),
    ] {
        let wire = Wire::new(move |sent| taking(sent, &[1], code));
        assert_eq!(bus(&wire).publish(events(3)).await, Err(expected));
        assert_eq!(wire.sent().len(), calls, "{code}");
    }
    let wire = Wire::of([refusal(500, "InternalException")]);
    let expected = unavailable("PutEvents: InternalException (500)");
    assert_eq!(bus(&wire).publish(events(1)).await, Err(expected));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_here_is_not_sent() {
    let wire = Wire::of([]);
    let wrong = Announcement { detail: "[]".to_owned(), ..event(0) };
    let met = bus(&wire).publish(vec![event(1), wrong]).await;
    assert!(matches!(met, Err(PortError::Broken(_))));
    assert_eq!(wire.sent().len(), 0);
}
