use serde_json::json;
use tryon_core::ports::{KnobStore, Knobs, PortError, StatusBoard, StatusName};

use super::Parameters;
use crate::testing::{Wire, json as answer, refusal};

fn parameters(wire: &Wire) -> Parameters {
    Parameters::new(aws_sdk_ssm::Client::new(&wire.config()), "test")
}

#[tokio::test(start_paused = true)]
async fn a_knob_is_created_and_never_replaced() {
    let wire = Wire::of([
        answer(200, &json!({"Version": 1})),
        refusal(400, "ParameterAlreadyExists"),
        refusal(400, "ThrottlingException"),
    ]);
    let parameters = parameters(&wire);
    assert_eq!(parameters.create("traffic-percent", "0").await, Ok(true));
    assert_eq!(parameters.create("traffic-percent", "0").await, Ok(false));
    let throttled = parameters.create("traffic-percent", "0").await;
    assert!(matches!(throttled, Err(PortError::Unavailable(_))), "{throttled:?}");
    let name = "/garmaxai/gemini/test/traffic-percent";
    let sent = wire.sent();
    assert_eq!(
        sent[0].json(),
        json!({"Name": name, "Value": "0", "Type": "String", "Overwrite": false})
    );
}

#[tokio::test(start_paused = true)]
async fn a_knob_is_turned() {
    let wire =
        Wire::of([answer(200, &json!({"Version": 2})), refusal(400, "AccessDeniedException")]);
    let parameters = parameters(&wire);
    assert_eq!(parameters.turn("traffic-percent", "10").await, Ok(()));
    let refused = parameters.turn("traffic-percent", "10").await;
    // It works once ops have put it right.
    assert!(matches!(refused, Err(PortError::Unavailable(_))), "{refused:?}");
    let name = "/garmaxai/gemini/test/traffic-percent";
    assert_eq!(
        wire.sent()[0].json(),
        json!({"Name": name, "Value": "10", "Type": "String", "Overwrite": true})
    );
}

#[tokio::test(start_paused = true)]
async fn a_status_is_read_where_there_is_one() {
    let wire = Wire::of([
        answer(200, &json!({"Parameter": {"Value": "{}"}})),
        refusal(400, "ParameterNotFound"),
        refusal(400, "ThrottlingException"),
    ]);
    let parameters = parameters(&wire);
    assert_eq!(parameters.read(StatusName::Budget).await, Ok(Some("{}".to_owned())));
    assert_eq!(parameters.read(StatusName::Budget).await, Ok(None));
    let throttled = parameters.read(StatusName::Budget).await;
    assert!(matches!(throttled, Err(PortError::Unavailable(_))), "{throttled:?}");
    let name = "/garmaxai/gemini/test/budget-status";
    assert_eq!(wire.sent()[0].json(), json!({"Name": name}));
}

#[tokio::test(start_paused = true)]
async fn a_status_replaces_the_last() {
    let wire = Wire::of([answer(200, &json!({"Version": 2}))]);
    assert_eq!(parameters(&wire).post(StatusName::Budget, "{}").await, Ok(()));
    let name = "/garmaxai/gemini/test/budget-status";
    assert_eq!(
        wire.sent()[0].json(),
        json!({"Name": name, "Value": "{}", "Type": "String", "Overwrite": true})
    );
}
