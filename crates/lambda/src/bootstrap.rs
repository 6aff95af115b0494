//! What every function's `main` does around its handler.

use std::sync::Arc;

use chrono::DateTime;
use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde_json::Value;
use tracing::Instrument;
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};
use tryon_core::stages::Invocation;

use crate::{
    emf,
    handler::{Handler, HandlerError},
};

pub use lambda_runtime::Error;

/// A function from its start to its end: logs first, then the handler that `wiring` builds, which
/// serves until the runtime ends it.
pub async fn start<H: Handler + 'static, E: std::error::Error + Send + Sync + 'static>(
    wiring: impl Future<Output = Result<H, E>>,
) -> Result<(), Error> {
    init_tracing();
    match wiring.await {
        Ok(handler) => run(Arc::new(handler)).await,
        Err(error) => {
            tracing::error!(%error, "the function cannot start");
            Err(error.into())
        }
    }
}

/// Prints numbers for `CloudWatch` from here on, among the logs.
pub fn init_metrics(stage: &str, function: &'static str) {
    emf::init(stage, function);
}

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
    let logs = tracing_subscriber::fmt::layer().json().flatten_event(true).with_ansi(false);
    if tracing_subscriber::registry().with(logs.with_filter(levels())).try_init().is_err() {
        tracing::debug!("tracing was set up before");
    }
}

#[expect(clippy::disallowed_methods, reason = "a bootstrap reads the environment, once")]
fn levels() -> Targets {
    let wish = std::env::var("RUST_LOG").ok().and_then(|text| text.parse().ok());
    let levels: Targets = wish.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    // At `trace` these show whole answers, secrets among them.
    let most = levels.default_level().unwrap_or(LevelFilter::INFO).min(LevelFilter::INFO);
    levels.with_targets(QUIET.map(|name| (name, most)))
}

/// Serves the handler until the runtime ends it.
pub async fn run(handler: Arc<dyn Handler>) -> Result<(), Error> {
    let serve = |event: LambdaEvent<Value>| {
        let handler = handler.clone();
        let (request_id, trace_id) = (&event.context.request_id, &event.context.xray_trace_id);
        let span = tracing::info_span!("invocation", request_id, trace_id);
        let call = async move {
            let invocation = invocation(&event.context)?;
            let answer = handler.call(event.payload, invocation).await;
            emf::flush();
            answer
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
