use serde_json::json;
use tryon_core::{
    catalogue::Backend,
    contract::fixtures::start,
    ports::{PortError, ProviderHealth},
    vitals::{MINUTES, Minute, Tally},
};

use super::super::DynamoHealth;
use crate::testing::{
    SECRET,
    played::{played, refusal},
};

const BACKEND: Backend = Backend::GeminiOnline;

#[tokio::test(start_paused = true)]
async fn a_minute_that_another_begins_first_is_counted_on() {
    let (clients, requests) = played(|request| match request.n {
        0 | 1 => refusal(400, "ConditionalCheckFailedException"),
        _ => (200, json!({})),
    });
    let health = DynamoHealth::new(clients, "health".to_owned());
    let tally = Tally { calls: 1, ..Tally::default() };
    assert_eq!(health.record(BACKEND.into(), start(), tally).await, Ok(()));
    let sent = requests.lock().unwrap();
    let slot = Minute::number_of(start()) % MINUTES;
    let add = ["calls", "failures", "throttled", "retries", "timed", "millis"]
        .map(|part| format!("{part}_{slot} :{part}"))
        .join(", ");
    let add = format!("ADD {add}");
    let adds = sent.iter().map(|sent| sent.body["UpdateExpression"] == add);
    assert_eq!(adds.collect::<Vec<_>>(), [true, false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_cannot_be_read_is_broken() {
    let item = json!({"version": {"N": "1"}, "breaker": {"S": SECRET}});
    let (clients, _) = played(move |_| (200, json!({"Item": item})));
    let health = DynamoHealth::new(clients, "health".to_owned());
    let expected = "health, row gemini-online: breaker cannot be read".to_owned();
    assert_eq!(health.read(BACKEND.into(), start()).await, Err(PortError::Broken(expected)));
}
