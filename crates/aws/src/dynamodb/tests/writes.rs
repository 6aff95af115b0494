use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tryon_core::{
    attempt::{AttemptWrite, NeverBought},
    budget::{Account, Balance, LedgerEntry, Movement},
    contract::fixtures::{attempt, start},
    money::Micros,
    ports::{Attempts, PortError, Written},
};

use super::books;
use crate::testing::{SECRET, played::refusal};

/// A reservation of 10 of the 90 that a budget of 100 lets out.
fn reserve() -> AttemptWrite {
    attempt(1, &[Micros::new(10)]).open(Micros::new(100), start(), start())
}

/// A write that moves no money.
fn defer() -> AttemptWrite {
    attempt(1, &[Micros::new(10)]).open_deferred(start())
}

/// The same reservation with another movement in its place.
fn moving(movement: Movement) -> AttemptWrite {
    let entry = LedgerEntry {
        account: Account::Google,
        date: start().date_naive(),
        movement,
        rescue: None,
    };
    AttemptWrite { ledger: Some(entry), ..reserve() }
}

fn cancelled(attempt: Value, ledger: Value) -> (u16, Value) {
    let (status, mut body) = refusal(400, "TransactionCanceledException");
    body["CancellationReasons"] = [attempt, ledger].into();
    (status, body)
}

fn reason(code: &str) -> Value {
    json!({"Code": code, "Message": SECRET})
}

fn with_item(item: Value) -> Value {
    let mut reason = reason("ConditionalCheckFailed");
    reason["Item"] = item;
    reason
}

fn done() -> (u16, Value) {
    (200, json!({}))
}

#[tokio::test(start_paused = true)]
async fn a_reservation_is_one_transaction() {
    let (books, requests) = books(|_| done());
    let write = reserve();
    assert_eq!(books.write(&write).await, Ok(Written::Done));
    let sent = requests.lock().unwrap().remove(0);
    assert_eq!(sent.operation, "TransactWriteItems");
    let [put, update] = sent.body["TransactItems"].as_array().unwrap().as_slice() else {
        panic!("{}", sent.body)
    };
    let put = &put["Put"];
    assert_eq!(put["ConditionExpression"], "attribute_not_exists(attempt_id)");
    assert_eq!(put["Item"]["write_id"]["S"], sent.body["ClientRequestToken"]);
    assert_eq!(put["Item"]["state"]["S"], "claimed");
    let expected = json!({"Update": {
        "TableName": "budget",
        "Key": {"date": {"S": "2026-11-23"}},
        "UpdateExpression": "ADD google_committed_micros :committed_micros, \
            google_reserved_micros :reserved_micros, google_settled_micros :settled_micros, \
            google_held_micros :held_micros, google_reservations :reservations",
        "ConditionExpression": "(attribute_not_exists(google_committed_micros) \
            OR google_committed_micros <= :bound)",
        "ExpressionAttributeValues": {
            ":committed_micros": {"N": "10"},
            ":reserved_micros": {"N": "10"},
            ":settled_micros": {"N": "0"},
            ":held_micros": {"N": "0"},
            ":reservations": {"N": "1"},
            ":bound": {"N": "80"},
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }});
    assert_eq!(update, &expected);
}

#[tokio::test(start_paused = true)]
async fn a_rescue_asks_for_room_in_its_own_budget_as_well() {
    let reserve_of = |budget| {
        let mut write = reserve();
        if let Some(entry) = &mut write.ledger {
            entry.rescue = Some(Micros::new(budget));
        }
        write
    };
    let settle = Movement::Settle { reserved: Micros::new(10), actual: Micros::new(7) };
    let mut settled = moving(settle);
    if let Some(entry) = &mut settled.ledger {
        entry.rescue = Some(Micros::new(50));
    }
    let fits = "(attribute_not_exists(google_committed_micros) \
        OR google_committed_micros <= :bound) AND (attribute_not_exists(google_rescues_micros) \
        OR google_rescues_micros <= :room)";
    let dear = "(attribute_not_exists(google_committed_micros) \
        OR google_committed_micros <= :bound) AND google_rescues_micros < :room";
    for (write, condition, room, change) in [
        (reserve_of(50), fits, json!("40"), "10"),
        (reserve_of(9), dear, json!("0"), "10"),
        (settled, "google_reserved_micros >= :bound", Value::Null, "-3"),
    ] {
        let (books, requests) = books(|_| done());
        assert_eq!(books.write(&write).await, Ok(Written::Done));
        let sent = requests.lock().unwrap().remove(0);
        let update = &sent.body["TransactItems"][1]["Update"];
        assert_eq!(update["ConditionExpression"], condition);
        let expression = update["UpdateExpression"].as_str().unwrap();
        assert!(expression.ends_with(", google_rescues_micros :rescues_micros"), "{expression}");
        let values = &update["ExpressionAttributeValues"];
        assert_eq!(
            (&values[":room"]["N"], &values[":rescues_micros"]["N"]),
            (&room, &json!(change))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_movement_has_its_condition() {
    let (ten, seven) = (Micros::new(10), Micros::new(7));
    let poor = Movement::Reserve { amount: ten, daily_budget: ten };
    for (movement, [committed, reserved, settled, held], condition, bound) in [
        (poor, [10, 10, 0, 0], "google_committed_micros < :bound", "0"),
        (
            Movement::Release { reserved: ten },
            [-10, -10, 0, 0],
            "google_reserved_micros >= :bound",
            "10",
        ),
        (
            Movement::Settle { reserved: ten, actual: seven },
            [-3, -10, 7, 0],
            "google_reserved_micros >= :bound",
            "10",
        ),
        (
            Movement::Hold { reserved: ten },
            [0, -10, 0, 10],
            "google_reserved_micros >= :bound",
            "10",
        ),
        (Movement::Adopt { held: ten }, [0, 10, 0, -10], "google_held_micros >= :bound", "10"),
        (Movement::SettleHeld { held: ten }, [0, 0, 10, -10], "google_held_micros >= :bound", "10"),
    ] {
        let (books, requests) = books(|_| done());
        assert_eq!(books.write(&moving(movement)).await, Ok(Written::Done));
        let sent = requests.lock().unwrap().remove(0);
        let update = &sent.body["TransactItems"][1]["Update"];
        assert_eq!(update["ConditionExpression"], condition, "{movement:?}");
        let values = &update["ExpressionAttributeValues"];
        let value = |name: &str| values[name]["N"].as_str().unwrap().to_owned();
        assert_eq!(value(":bound"), bound, "{movement:?}");
        let met =
            ["committed", "reserved", "settled", "held"].map(|p| value(&format!(":{p}_micros")));
        let expected = [committed, reserved, settled, held].map(|change: i32| change.to_string());
        assert_eq!(met, expected, "{movement:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_of_transactions_is_retried_in_place() {
    let (books, requests) = books(|request| match request.n {
        0 => cancelled(reason("TransactionConflict"), reason("None")),
        // Whether the money fits is not known before the attempt's version is.
        1 => cancelled(reason("TransactionConflict"), with_item(json!({}))),
        _ => done(),
    });
    assert_eq!(books.write(&reserve()).await, Ok(Written::Done));
    let tokens: Vec<_> = requests
        .lock()
        .unwrap()
        .iter()
        .map(|sent| sent.body["ClientRequestToken"].clone())
        .collect();
    assert_eq!(tokens.len(), 3);
    assert!(tokens.iter().all(|token| token.is_string() && *token == tokens[0]));
}

#[tokio::test(start_paused = true)]
async fn a_put_that_meets_a_transaction_is_retried_in_place() {
    let (books, _) = books(|request| match request.n {
        0 => refusal(400, "TransactionConflictException"),
        _ => done(),
    });
    assert_eq!(books.write(&defer()).await, Ok(Written::Done));
}

#[tokio::test(start_paused = true)]
async fn conflicts_without_end_are_unavailable_within_three_seconds() {
    for write in [reserve(), defer()] {
        let (books, requests) = books(|request| match request.operation.as_str() {
            "PutItem" => refusal(400, "TransactionConflictException"),
            _ => cancelled(reason("None"), reason("TransactionConflict")),
        });
        let began = books.clock.now();
        let met = books.write(&write).await;
        assert!(matches!(met, Err(PortError::Unavailable(_))), "{met:?}");
        let waited = (books.clock.now() - began).to_std().unwrap();
        assert!(waited <= Duration::from_secs(3), "{waited:?}");
        assert!(waited > Duration::from_secs(2), "{waited:?}");
        assert!((8..60).contains(&requests.lock().unwrap().len()));
    }
}

#[tokio::test(start_paused = true)]
async fn every_reason_has_its_answer() {
    let row = json!({
        "google_committed_micros": {"N": "85"}, "google_reserved_micros": {"N": "80"},
        "google_settled_micros": {"N": "2"}, "google_held_micros": {"N": "3"},
        "google_reservations": {"N": "9"}, "google_rescues_micros": {"N": "4"},
    });
    let balance = Balance {
        reserved: Micros::new(80),
        settled: Micros::new(2),
        held: Micros::new(3),
        reservations: 9,
        rescues: Micros::new(4),
    };
    let stale = || with_item(json!({"write_id": {"S": "another"}}));
    let unavailable =
        |codes: &str| Err(PortError::Unavailable(format!("transaction cancelled: {codes}")));
    for (attempt, ledger, expected) in [
        (reason("None"), with_item(row.clone()), Ok(Written::NoHeadroom(balance))),
        (
            reason("None"),
            reason("ConditionalCheckFailed"),
            Ok(Written::NoHeadroom(Balance::default())),
        ),
        (stale(), reason("None"), Ok(Written::Conflict)),
        (stale(), with_item(row), Ok(Written::Conflict)),
        (reason("ConditionalCheckFailed"), reason("TransactionConflict"), Ok(Written::Conflict)),
        (reason("None"), reason("ThrottlingError"), unavailable("None, ThrottlingError")),
        (
            reason("ProvisionedThroughputExceeded"),
            reason("None"),
            unavailable("ProvisionedThroughputExceeded, None"),
        ),
        (reason("None"), reason("Whim"), unavailable("None, Whim")),
        (
            reason("ValidationError"),
            reason("None"),
            Err(PortError::Broken("transaction cancelled: ValidationError, None".to_owned())),
        ),
    ] {
        let answer = cancelled(attempt, ledger);
        let (books, requests) = books(move |_| answer.clone());
        assert_eq!(books.write(&reserve()).await, expected);
        assert_eq!(requests.lock().unwrap().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_movement_that_does_not_follow_names_itself() {
    let (books, _) = books(|_| cancelled(reason("None"), with_item(json!({}))));
    let met = books.write(&moving(Movement::Hold { reserved: Micros::new(10) })).await;
    let Err(PortError::Broken(text)) = met else { panic!("{met:?}") };
    assert!(text.contains("Hold") && text.contains(reserve().attempt.id.as_str()), "{text}");
}

#[tokio::test(start_paused = true)]
async fn who_meets_the_row_that_it_wrote_is_done() {
    // The service did it, the answer was lost, and the SDK asked again.
    let own = |item: &Value| with_item(json!({"write_id": item["write_id"]}));
    let (books, requests) = books(move |request| match (request.n, request.operation.as_str()) {
        (0 | 2, _) => refusal(500, "InternalServerError"),
        (_, "PutItem") => {
            let (status, mut body) = refusal(400, "ConditionalCheckFailedException");
            body["Item"] = own(&request.body["Item"])["Item"].clone();
            (status, body)
        }
        _ => {
            let item = &request.body["TransactItems"][0]["Put"]["Item"];
            cancelled(own(item), reason("None"))
        }
    });
    assert_eq!(books.write(&reserve()).await, Ok(Written::Done));
    assert_eq!(books.write(&defer()).await, Ok(Written::Done));
    assert_eq!(requests.lock().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn throttles_are_tried_three_times() {
    for code in ["ThrottlingException", "ProvisionedThroughputExceededException"] {
        for write in [reserve(), defer()] {
            let (books, requests) = books(move |_| refusal(400, code));
            let met = books.write(&write).await;
            assert!(matches!(met, Err(PortError::Unavailable(_))), "{met:?}");
            assert_eq!(requests.lock().unwrap().len(), 3);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_is_indexed_while_due_and_expires_once_nothing_is_owed() {
    let now = start();
    let deferred = defer().attempt;
    let ended = deferred.clone().never_bought(NeverBought::Expired, now).unwrap().attempt;
    let told = ended.clone().announced().unwrap().attempt;
    let sending = reserve().attempt.sending(now).unwrap().attempt;
    let held = sending.held(now).unwrap().attempt.announced().unwrap().attempt;
    let expiry = (now + TimeDelta::days(45)).timestamp().to_string();
    for (attempt, due, expires) in [
        (deferred, true, None),
        (ended, true, None),
        (told, false, Some(expiry.as_str())),
        // Its money is kept, so it is never forgotten.
        (held, true, None),
    ] {
        let (books, requests) = books(|_| done());
        let replaces = Some(attempt.version - 1);
        let write = AttemptWrite { attempt, replaces, ledger: None };
        assert_eq!(books.write(&write).await, Ok(Written::Done));
        let sent = requests.lock().unwrap().remove(0).body;
        let (item, attempt) = (&sent["Item"], &write.attempt);
        let due_at = attempt.due_at.map(|at| at.timestamp_millis().to_string());
        assert_eq!(item["due_at"]["N"].as_str(), due_at.as_deref());
        let shard = due.then(|| attempt.batch_id.shard().to_string());
        assert_eq!(item["due_shard"]["N"].as_str(), shard.as_deref());
        assert_eq!(item["expires_at"]["N"].as_str(), expires);
        let versions = (&sent["ConditionExpression"], &sent["ExpressionAttributeValues"]);
        let values = json!({":replaces": {"N": (attempt.version - 1).to_string()}});
        assert_eq!(versions, (&json!("version = :replaces"), &values));
    }
}
