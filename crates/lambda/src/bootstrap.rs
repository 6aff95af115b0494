//! What every function's `main` does around its handler.

use std::sync::Arc;

use chrono::DateTime;
use lambda_runtime::{Context, Error, LambdaEvent, service_fn};
use serde_json::Value;
use tracing::Instrument;
use tracing_subscriber::EnvFilter;
use tryon_core::stages::Invocation;

use crate::handler::{Handler, HandlerError};

/// What the clients of AWS, HTTP and Postgres log under, of which nothing below `info` is shown.
const QUIET: [&str; 9] = [
    "aws_config",
    "aws_runtime",
    "aws_sdk_dynamodb",
    "aws_sdk_eventbridge",
    "aws_sdk_s3",
    "aws_sdk_sqs",
    "aws_sdk_ssm",
    "aws_smithy_runtime",
    "sqlx",
];

/// Logs JSON lines to standard output; `RUST_LOG` says how much (default `info`).
pub fn init_tracing() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // At `trace` these show whole answers, secrets among them.
    let filter = QUIET.iter().fold(filter, |filter, name| {
        let directive = format!("{name}=info").parse();
        directive.map_or(EnvFilter::new("info"), |directive| filter.add_directive(directive))
    });
    let logs = tracing_subscriber::fmt().json().flatten_event(true).with_ansi(false);
    if logs.with_env_filter(filter).try_init().is_err() {
        tracing::debug!("tracing was set up before");
    }
}

/// Serves the handler until the runtime ends it.
pub async fn run(handler: Arc<dyn Handler>) -> Result<(), Error> {
    let serve = |event: LambdaEvent<Value>| {
        let handler = handler.clone();
        let span = tracing::info_span!("invocation", request_id = event.context.request_id);
        let call = async move {
            let invocation = invocation(&event.context)?;
            handler.call(event.payload, invocation).await
        };
        async move { call.await.map_err(Error::from) }.instrument(span)
    };
    lambda_runtime::run(service_fn(serve)).await
}

/// The invocation that the runtime speaks of.
pub fn invocation(context: &Context) -> Result<Invocation, HandlerError> {
    i64::try_from(context.deadline)
        .ok()
        .and_then(DateTime::from_timestamp_millis)
        .map(|deadline| Invocation { deadline })
        .ok_or_else(|| HandlerError::event("no deadline"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_is_milliseconds() {
        let mut context = Context::default();
        context.deadline = 1_795_435_200_250;
        let deadline = invocation(&context).unwrap().deadline;
        assert_eq!(deadline.to_rfc3339(), "2026-11-23T12:00:00.250+00:00");
        context.deadline = u64::MAX;
        assert!(invocation(&context).is_err());
    }
}
