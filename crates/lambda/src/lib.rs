//! The doors: real SQS, `EventBridge` and HTTP API events in, stages called, Lambda answers out. A
//! function's `main` and the local pump run the very same handlers.

pub mod bootstrap;
mod custom_resource;
mod emf;
pub mod environment;
mod fault;
mod functions;
mod handler;
pub mod http;
pub mod schedule;
pub mod shutdown;
pub mod sqs;
pub mod system;
#[cfg(test)]
mod testing;

pub use self::{
    custom_resource::MigrateHandler,
    functions::{
        AccumulatorHandler, DistributorHandler, ImagenHandler, ReconcilerHandler, ReplicateHandler,
        RolloutHandler, RouterHandler, SqsHandler,
    },
    handler::{Handler, HandlerError},
};
