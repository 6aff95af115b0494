//! Events of a schedule: the message is that it is time. An alarm says the same.

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use serde_json::Value;

use crate::handler::{HandlerError, read};

const SCHEDULED: &str = "Scheduled Event";
const ALARM: &str = "CloudWatch Alarm State Change";

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

/// The same, for work that an alarm wakes too: which one, the work finds out for itself.
pub async fn handle_alarm<T>(
    event: Value,
    work: impl AsyncFnOnce() -> Result<T, HandlerError>,
) -> Result<T, HandlerError> {
    let event: EventBridgeEvent = read(event)?;
    if ![SCHEDULED, ALARM].contains(&event.detail_type.as_str()) {
        return Err(HandlerError::event("neither a scheduled event nor an alarm"));
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
        Handler, ReconcilerHandler, RolloutHandler,
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

    #[tokio::test]
    async fn the_schedule_and_alarms_wake_the_rollout() {
        let house = House::new();
        let handler = RolloutHandler::new(house.rollout());
        let call = Invocation { deadline: start() };
        for name in events("rollout") {
            assert!(handler.call(event(&name), call).await.is_ok(), "{name}");
        }
        house.chaos.fail_next(Call::AuditRead, Mishap::Throttled);
        let error = handler.call(event("rollout.alarm"), call).await.unwrap_err();
        assert!(error.to_string().starts_with("retry: "), "{error}");
        let mut other = event("rollout.alarm");
        other["detail-type"] = "Order Placed".into();
        let error = handler.call(other, call).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "event cannot be read: neither a scheduled event nor an alarm"
        );
    }
}
