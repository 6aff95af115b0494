//! The doors: real SQS, `EventBridge` and HTTP API events in, stages called, Lambda answers out. A
//! function's `main` and the local pump run the very same handlers.

pub mod bootstrap;
mod fault;
mod functions;
mod handler;
pub mod http;
pub mod schedule;
pub mod sqs;
#[cfg(test)]
mod testing;

pub use self::{
    functions::{
        AccumulatorHandler, DistributorHandler, ImagenHandler, ReconcilerHandler, ReplicateHandler,
        RouterHandler, SqsHandler,
    },
    handler::{Handler, HandlerError},
};
