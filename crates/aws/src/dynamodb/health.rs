use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::update_item::{
    UpdateItemError, builders::UpdateItemFluentBuilder,
};
use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use tryon_core::{
    catalogue::Backend,
    ports::{PortError, ProviderHealth},
    vitals::{MINUTES, Minute, Subject, Tally, Vitals},
};

use super::{
    Item,
    item::{Unreadable, VERSION, number_of, text_of},
    number, text,
};
use crate::{Clients, errors::port_error};

const BREAKER: &str = "breaker";
const PROBE: &str = "probe";

/// The health of backends and models, a row each. A minute is counted in one of [`MINUTES`] places in turn, so
/// that a row stays small and counting needs no reading.
#[derive(Debug)]
pub struct DynamoHealth {
    clients: Arc<Clients>,
    table: String,
}

impl DynamoHealth {
    /// `table` is `provider_health_${Stage}`: key `backend`.
    pub const fn new(clients: Arc<Clients>, table: String) -> Self {
        Self { clients, table }
    }

    fn update(&self, subject: Subject) -> UpdateItemFluentBuilder {
        let update = self.clients.dynamodb().update_item();
        update.table_name(&self.table).key("backend", text(subject.to_string()))
    }
}

#[async_trait]
impl ProviderHealth for DynamoHealth {
    async fn record(
        &self,
        subject: Subject,
        now: DateTime<Utc>,
        tally: Tally,
    ) -> Result<(), PortError> {
        let minute = Minute::number_of(now);
        let slot = minute % MINUTES;
        let name = place("minute", slot);
        let places = parts(tally).map(|(part, _)| (place(part, slot), part));
        let adding = places.each_ref().map(|(place, part)| format!("{place} :{part}")).join(", ");
        let setting =
            places.each_ref().map(|(place, part)| format!("{place} = :{part}")).join(", ");
        let add = (format!("ADD {adding}"), format!("{name} = :minute"));
        let begin = (
            format!("SET {name} = :minute, {setting}"),
            format!("attribute_not_exists({name}) OR {name} < :minute"),
        );
        // Somebody else may begin the minute in between. Where all three are refused, a later minute
        // has the place.
        for (expression, condition) in [&add, &begin, &add] {
            let mut update = self
                .update(subject)
                .update_expression(expression)
                .condition_expression(condition)
                .expression_attribute_values(":minute", number(minute));
            for (part, count) in parts(tally) {
                update = update.expression_attribute_values(format!(":{part}"), number(count));
            }
            if is_done(update).await? {
                break;
            }
        }
        Ok(())
    }

    async fn read(&self, subject: Subject, now: DateTime<Utc>) -> Result<Vitals, PortError> {
        let get = self.clients.dynamodb().get_item().consistent_read(true);
        let answer = get
            .table_name(&self.table)
            .key("backend", text(subject.to_string()))
            .send()
            .await
            .map_err(|error| port_error("GetItem", &error))?;
        let mut vitals = to_vitals(&answer.item.unwrap_or_default())
            .map_err(|unreadable| unreadable.in_row(&self.table, subject.as_str()))?;
        vitals.minutes.retain(|minute| minute.is_recent(now));
        Ok(vitals)
    }

    async fn change(&self, backend: Backend, vitals: &Vitals) -> Result<bool, PortError> {
        let update = self
            .update(backend.into())
            .update_expression("SET version = :next, breaker = :breaker, probe = :probe")
            .expression_attribute_values(":next", number(vitals.version + 1))
            .expression_attribute_values(":breaker", text(json(&vitals.breaker)?))
            .expression_attribute_values(":probe", text(json(&vitals.probe)?));
        let update = if vitals.version == 0 {
            update.condition_expression("attribute_not_exists(version)")
        } else {
            update
                .condition_expression("version = :version")
                .expression_attribute_values(":version", number(vitals.version))
        };
        is_done(update).await
    }
}

/// Makes an update, unless its condition is not met.
async fn is_done(update: UpdateItemFluentBuilder) -> Result<bool, PortError> {
    let Err(error) = update.send().await else { return Ok(true) };
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
        _ => Err(port_error("UpdateItem", &error)),
    }
}

/// What is counted, by name.
const fn parts(tally: Tally) -> [(&'static str, u64); 6] {
    [
        ("calls", tally.calls),
        ("failures", tally.failures),
        ("throttled", tally.throttled),
        ("retries", tally.retries),
        ("timed", tally.timed),
        ("millis", tally.millis),
    ]
}

/// Where a part of a minute is counted.
fn place(part: &str, slot: u64) -> String {
    format!("{part}_{slot}")
}

fn to_vitals(item: &Item) -> Result<Vitals, Unreadable> {
    let mut minutes = Vec::new();
    for slot in 0..MINUTES {
        let count = |part| number_of(item, &place(part, slot));
        if let Some(number) = count("minute")? {
            let tally = Tally {
                calls: count("calls")?.unwrap_or_default(),
                failures: count("failures")?.unwrap_or_default(),
                throttled: count("throttled")?.unwrap_or_default(),
                retries: count("retries")?.unwrap_or_default(),
                timed: count("timed")?.unwrap_or_default(),
                millis: count("millis")?.unwrap_or_default(),
            };
            minutes.push(Minute { number, tally });
        }
    }
    minutes.sort_by_key(|minute| minute.number);
    let Some(version) = number_of(item, VERSION)? else {
        return Ok(Vitals { minutes, ..Vitals::default() });
    };
    let (breaker, probe) = (parsed(item, BREAKER)?, parsed(item, PROBE)?);
    Ok(Vitals { version, minutes, breaker, probe })
}

fn parsed<T: DeserializeOwned>(item: &Item, name: &str) -> Result<T, Unreadable> {
    serde_json::from_str(text_of(item, name)?).map_err(|error| Unreadable::json(name, &error))
}

fn json(value: &impl Serialize) -> Result<String, PortError> {
    serde_json::to_string(value)
        .map_err(|_| PortError::Broken("a backend's health is no JSON".to_owned()))
}
