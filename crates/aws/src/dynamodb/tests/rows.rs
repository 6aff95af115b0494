use chrono::TimeDelta;
use serde_json::{Value, json};
use tryon_core::{
    attempt::{Attempt, NeverBought},
    budget::{Account, Balance},
    contract::fixtures::{attempt, start},
    money::Micros,
    ports::{Attempts, Ledger, PortError},
};

use super::books;
use crate::testing::SECRET;

/// The row of an attempt that is due.
fn row(n: u64) -> (Attempt, Value) {
    let attempt = attempt(n, &[]).open_deferred(start()).attempt;
    let row = json!({
        "attempt_id": {"S": attempt.id}, "version": {"N": "1"},
        "doc": {"S": serde_json::to_string(&attempt).unwrap()},
    });
    (attempt, row)
}

#[tokio::test(start_paused = true)]
async fn rows_that_were_not_read_are_asked_for_again() {
    let later = start() + TimeDelta::hours(1);
    let (books, requests) = books(|request| match request.operation.as_str() {
        "Query" if request.body["ExpressionAttributeValues"][":shard"]["N"] == "0" => {
            let entry = |n| json!({"attempt_id": row(n).1["attempt_id"], "due_at": {"N": "1"}});
            // One of them at its old time, too.
            (200, json!({"Items": [entry(1), entry(2), entry(1), entry(3)]}))
        }
        "Query" => (200, json!({"Items": []})),
        _ if request.n == 4 => {
            let rest = json!({"Keys": [{"attempt_id": row(3).1["attempt_id"]}]});
            let over = {
                // Told of since the index was.
                let (attempt, mut row) = row(2);
                let ended = attempt.never_bought(NeverBought::Expired, start()).unwrap().attempt;
                let told = ended.announced().unwrap().attempt;
                row["version"] = json!({"N": told.version.to_string()});
                row["doc"] = json!({"S": serde_json::to_string(&told).unwrap()});
                row
            };
            let rows = json!({"attempts": [row(1).1, over]});
            (200, json!({"Responses": rows, "UnprocessedKeys": {"attempts": rest}}))
        }
        _ => (200, json!({"Responses": {"attempts": [row(3).1]}})),
    });
    let mut expected = vec![row(1).0, row(3).0];
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(books.due(later, 10).await, Ok(expected));
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 6);
    let wanted = |n: usize| requests[n].body["RequestItems"]["attempts"].clone();
    assert_eq!(wanted(4)["Keys"].as_array().map(Vec::len), Some(3));
    assert_eq!(wanted(5)["Keys"].as_array().map(Vec::len), Some(1));
    assert_eq!(wanted(5)["ConsistentRead"], true);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_keeps_no_other_from_being_looked_after() {
    let (books, _) = books(|request| match request.operation.as_str() {
        "Query" if request.body["ExpressionAttributeValues"][":shard"]["N"] == "0" => {
            let entry = |n| json!({"attempt_id": row(n).1["attempt_id"], "due_at": {"N": "1"}});
            (200, json!({"Items": [entry(1), entry(2)]}))
        }
        "Query" => (200, json!({"Items": []})),
        _ => {
            let mut torn = row(2).1;
            torn["doc"] = json!({"S": "{"});
            (200, json!({"Responses": {"attempts": [torn, row(1).1]}}))
        }
    });
    let later = start() + TimeDelta::hours(1);
    assert_eq!(books.due(later, 10).await, Ok(vec![row(1).0]));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_row_is_named() {
    let (attempt, good) = row(1);
    let other = row(2).1;
    for (name, value, expected) in [
        ("doc", json!({"N": "1"}), "doc is missing or of another type"),
        ("doc", json!({"S": SECRET}), "doc cannot be read"),
        ("doc", other["doc"].clone(), "attempt_id is not what the rest of the row says"),
        ("version", json!({"N": "2"}), "version is not what the rest of the row says"),
        ("version", json!({"N": "1.5"}), "version cannot be read"),
    ] {
        let mut row = good.clone();
        row[name] = value;
        let (books, _) = books(move |_| (200, json!({"Item": row})));
        let text = format!("attempts, row {}: {expected}", attempt.id);
        assert_eq!(books.get(&attempt.id).await, Err(PortError::Broken(text)));
    }
    let day = start().date_naive();
    let row = json!({"google_committed_micros": {"N": "7"}, "google_settled_micros": {"N": "6"}});
    let (books, _) = books(move |_| (200, json!({"Item": row})));
    let met = books.balance(Account::Google, day).await;
    let text =
        "budget, row 2026-11-23: google_committed_micros is not what the rest of the row says";
    assert_eq!(met, Err(PortError::Broken(text.to_owned())));
    assert_eq!(books.balance(Account::Replicate, day).await, Ok(Balance::default()));
}

#[tokio::test(start_paused = true)]
async fn a_word_of_a_newer_release_is_left_for_it() {
    let (attempt, good) = row(1);
    let doc = good["doc"]["S"].as_str().unwrap();
    for (from, to) in [("\"deferred\"", "\"of_tomorrow\""), ("\"waiting\"", "\"of_tomorrow\"")] {
        assert!(doc.contains(from), "{doc}");
        let mut row = good.clone();
        row["doc"] = json!({"S": doc.replacen(from, to, 1)});
        let (books, _) = books(move |_| (200, json!({"Item": row})));
        let text = format!("attempts, row {}: doc was written by a newer release", attempt.id);
        assert_eq!(books.get(&attempt.id).await, Err(PortError::Unavailable(text)));
    }
}

#[tokio::test(start_paused = true)]
async fn both_accounts_are_one_read() {
    let row = json!({
        "google_committed_micros": {"N": "7"}, "google_settled_micros": {"N": "7"},
        "replicate_committed_micros": {"N": "5"}, "replicate_settled_micros": {"N": "5"},
    });
    let (books, requests) = books(move |_| (200, json!({"Item": row})));
    let met = books.balances(start().date_naive()).await.unwrap();
    assert_eq!([met.google.settled, met.replicate.settled], [7, 5].map(Micros::new));
    assert_eq!(requests.lock().unwrap().len(), 1);
}
