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
    vitals::{MINUTES, Minute, Vitals},
};

use super::{
    Item,
    item::{Unreadable, VERSION, number_of, text_of},
    number, text,
};
use crate::{Clients, errors::port_error};

const BREAKER: &str = "breaker";
const PROBE_UNTIL: &str = "probe_until";

/// The health of backends, a row each. A minute is counted in one of [`MINUTES`] places in turn, so
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

    fn update(&self, backend: Backend) -> UpdateItemFluentBuilder {
        let update = self.clients.dynamodb().update_item();
        update.table_name(&self.table).key("backend", text(backend.to_string()))
    }
}

#[async_trait]
impl ProviderHealth for DynamoHealth {
    async fn record(
        &self,
        backend: Backend,
        now: DateTime<Utc>,
        calls: u64,
        failures: u64,
    ) -> Result<(), PortError> {
        let minute = Minute::number_of(now);
        let [name, all, failed] = places(minute % MINUTES);
        let add = (format!("ADD {all} :calls, {failed} :failures"), format!("{name} = :minute"));
        let begin = (
            format!("SET {name} = :minute, {all} = :calls, {failed} = :failures"),
            format!("attribute_not_exists({name}) OR {name} < :minute"),
        );
        // Somebody else may begin the minute in between. Where all three are refused, a later minute
        // has the place.
        for (expression, condition) in [&add, &begin, &add] {
            let update = self
                .update(backend)
                .update_expression(expression)
                .condition_expression(condition)
                .expression_attribute_values(":minute", number(minute))
                .expression_attribute_values(":calls", number(calls))
                .expression_attribute_values(":failures", number(failures));
            if is_done(update).await? {
                break;
            }
        }
        Ok(())
    }

    async fn read(&self, backend: Backend, now: DateTime<Utc>) -> Result<Vitals, PortError> {
        let get = self.clients.dynamodb().get_item().consistent_read(true);
        let answer = get
            .table_name(&self.table)
            .key("backend", text(backend.to_string()))
            .send()
            .await
            .map_err(|error| port_error("GetItem", &error))?;
        let mut vitals = to_vitals(&answer.item.unwrap_or_default())
            .map_err(|unreadable| unreadable.in_row(&self.table, &backend.to_string()))?;
        vitals.minutes.retain(|minute| minute.is_recent(now));
        Ok(vitals)
    }

    async fn change(&self, backend: Backend, vitals: &Vitals) -> Result<bool, PortError> {
        let update = self
            .update(backend)
            .update_expression("SET version = :next, breaker = :breaker, probe_until = :probe")
            .expression_attribute_values(":next", number(vitals.version + 1))
            .expression_attribute_values(":breaker", text(json(&vitals.breaker)?))
            .expression_attribute_values(":probe", text(json(&vitals.probe_until)?));
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

/// Where a minute is counted: which minute it is, its calls, its failures.
fn places(slot: u64) -> [String; 3] {
    ["minute", "calls", "failures"].map(|part| format!("{part}_{slot}"))
}

fn to_vitals(item: &Item) -> Result<Vitals, Unreadable> {
    let mut minutes = Vec::new();
    for slot in 0..MINUTES {
        let [name, all, failed] = places(slot);
        if let Some(minute) = number_of(item, &name)? {
            let calls = number_of(item, &all)?.unwrap_or_default();
            let failures = number_of(item, &failed)?.unwrap_or_default();
            minutes.push(Minute { number: minute, calls, failures });
        }
    }
    minutes.sort_by_key(|minute| minute.number);
    let Some(version) = number_of(item, VERSION)? else {
        return Ok(Vitals { minutes, ..Vitals::default() });
    };
    let (breaker, probe_until) = (parsed(item, BREAKER)?, parsed(item, PROBE_UNTIL)?);
    Ok(Vitals { version, minutes, breaker, probe_until })
}

fn parsed<T: DeserializeOwned>(item: &Item, name: &str) -> Result<T, Unreadable> {
    let malformed = |_| Unreadable::Malformed(name.to_owned());
    serde_json::from_str(text_of(item, name)?).map_err(malformed)
}

fn json(value: &impl Serialize) -> Result<String, PortError> {
    serde_json::to_string(value)
        .map_err(|_| PortError::Broken("a backend's health is no JSON".to_owned()))
}
