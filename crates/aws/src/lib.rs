//! AWS services behind the ports of the core. Adapters only translate: what to do is decided
//! elsewhere.

mod bus;
mod catalogue;
mod chunks;
mod clients;
mod dynamodb;
mod errors;
mod iam_token;
mod links;
mod objects;
mod parameters;
mod queues;
mod secrets;
mod settings;
#[cfg(test)]
mod testing;

pub use self::{
    bus::EventBridgeBus,
    catalogue::S3Catalogue,
    clients::Clients,
    dynamodb::{DynamoAttempts, DynamoHealth, DynamoLedger, Tables},
    iam_token::{DatabaseToken, DatabaseUser},
    links::S3Links,
    objects::S3Objects,
    parameters::Parameters,
    queues::{QueueUrls, SqsQueues},
    secrets::ParameterSecrets,
    settings::{ParameterSettings, from_env_values},
};
