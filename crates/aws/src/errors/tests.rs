use aws_sdk_dynamodb::{operation::get_item::GetItemError, types::AttributeValue};
use aws_smithy_http_client::test_util::{NeverClient, StaticReplayClient, infallible_client_fn};
use aws_smithy_runtime_api::{
    client::{orchestrator::HttpResponse, result::SdkError},
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use http::Response;
use serde_json::json;
use tryon_core::ports::PortError;

use super::port_error;
use crate::{
    Clients,
    testing::{
        SECRET,
        played::{over, played, refusal},
    },
};

/// What reading a row that holds a secret ends in.
async fn read(clients: &Clients) -> PortError {
    let get = clients.dynamodb().get_item().table_name("attempts");
    let key = AttributeValue::S(SECRET.to_owned());
    let error = get.key("attempt_id", key).send().await.unwrap_err();
    let met = port_error("GetItem", &error);
    for shown in [format!("{met:?}"), format!("{clients:?}")] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
    met
}

fn broken(text: &str) -> PortError {
    PortError::Broken(text.to_owned())
}

fn unavailable(text: &str) -> PortError {
    PortError::Unavailable(text.to_owned())
}

#[tokio::test(start_paused = true)]
async fn services_say_what_may_pass() {
    for (status, code, expected) in [
        (400, "ValidationException", broken("GetItem: ValidationException (400)")),
        (400, "SerializationException", broken("GetItem: SerializationException (400)")),
        (400, "ThrottlingException", unavailable("GetItem: ThrottlingException (400)")),
        (400, "AccessDeniedException", unavailable("GetItem: AccessDeniedException (400)")),
        (400, "ExpiredTokenException", unavailable("GetItem: ExpiredTokenException (400)")),
        (400, "ResourceNotFoundException", unavailable("GetItem: ResourceNotFoundException (400)")),
        (500, "InternalServerError", unavailable("GetItem: InternalServerError (500)")),
        (503, "ServiceUnavailable", unavailable("GetItem: ServiceUnavailable (503)")),
    ] {
        let (clients, _) = played(move |_| refusal(status, code));
        assert_eq!(read(&clients).await, expected);
    }
    let (clients, _) = played(|_| (400, json!({"message": SECRET})));
    assert_eq!(read(&clients).await, unavailable("GetItem: no code (400)"));
}

#[tokio::test(start_paused = true)]
async fn each_service_has_its_words_for_a_bad_request() {
    for code in ["AWS.SimpleQueueService.BatchRequestTooLong", "InvalidMessageContents"] {
        let (clients, _) = played(move |_| refusal(400, code));
        let send = clients.sqs().send_message().queue_url("https://queue").message_body(SECRET);
        let error = send.send().await.unwrap_err();
        let expected = broken(&format!("SendMessage: {code} (400)"));
        assert_eq!(port_error("SendMessage", &error), expected);
    }
    let http = infallible_client_fn(|_| {
        let body = format!("<Error><Code>EntityTooLarge</Code><Message>{SECRET}</Message></Error>");
        Response::builder().status(400).body(body).unwrap()
    });
    let clients = over(http);
    let error = clients.s3().get_object().bucket("b").key(SECRET).send().await.unwrap_err();
    let expected = broken("GetObject: EntityTooLarge (400)");
    assert_eq!(port_error("GetObject", &error), expected);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_built_is_broken() {
    let (clients, requests) = played(|_| (200, json!({})));
    let error = clients.s3().get_object().key(SECRET).send().await.unwrap_err();
    let expected = broken("GetObject: the request cannot be built");
    assert_eq!(port_error("GetObject", &error), expected);
    assert!(requests.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_on_the_way_may_come_later() {
    let silent = NeverClient::new();
    let clients = over(silent.clone());
    assert_eq!(read(&clients).await, unavailable("GetItem: timed out"));
    assert_eq!(silent.num_calls(), 3, "tried anew while the call's own time lasts");
    let refused = over(StaticReplayClient::new(Vec::new()));
    assert_eq!(read(&refused).await, unavailable("GetItem: unreachable"));
    let (torn, _) = played(|_| (200, json!("torn")));
    assert_eq!(read(&torn).await, unavailable("GetItem: no code (200)"));
    let half = HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::from(SECRET));
    let error = SdkError::<GetItemError, _>::response_error(SECRET, half);
    assert_eq!(port_error("GetItem", &error), unavailable("GetItem: unreadable answer"));
}
