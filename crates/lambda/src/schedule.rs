//! Events of a schedule: the message is that it is time.

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use serde_json::Value;

use crate::handler::{HandlerError, read};

const SCHEDULED: &str = "Scheduled Event";

/// Does the work that the schedule is for.
pub async fn handle<T>(
    event: Value,
    work: impl AsyncFnOnce() -> Result<T, HandlerError>,
) -> Result<T, HandlerError> {
    let event: EventBridgeEvent = read(event)?;
    if event.detail_type != SCHEDULED {
        return Err(HandlerError::event("no scheduled event"));
    }
    work().await
}

#[cfg(test)]
mod tests {
    use tryon_core::{
        contract::fixtures::start,
        memory::{Call, Mishap},
        stages::Invocation,
    };

    use crate::{
        Handler, ReconcilerHandler,
        testing::{House, event, events},
    };

    #[tokio::test]
    async fn the_schedule_wakes_the_reconciler() {
        let house = House::new();
        let handler = ReconcilerHandler::new(house.reconciler());
        let call = Invocation { deadline: start() };
        for name in events("reconciler") {
            assert!(handler.call(event(&name), call).await.is_ok(), "{name}");
        }
        house.chaos.fail_next(Call::RenderDue, Mishap::Throttled);
        let error = handler.call(event("reconciler.schedule"), call).await.unwrap_err();
        assert!(error.to_string().starts_with("retry: "), "{error}");
        let error = handler.call(event("accumulator.seal"), call).await.unwrap_err();
        assert_eq!(error.to_string(), "event cannot be read: missing field detail-type");
    }
}
