use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tryon_core::ports::PortError;

/// What the request itself is at fault for: repeating it will not help. Everything else may pass, be it
/// a throttle, an outage, or a permission or a queue that ops have yet to give.
const REFUSED: [&str; 26] = [
    // DynamoDB, EventBridge, SSM
    "ValidationException",
    "SerializationException",
    "IdempotentParameterMismatchException",
    "ItemCollectionSizeLimitExceededException",
    "InvalidFilterKey",
    "InvalidNextToken",
    // SQS
    "BatchEntryIdsNotDistinct",
    "BatchRequestTooLong",
    "EmptyBatchRequest",
    "InvalidAttributeName",
    "InvalidAttributeValue",
    "InvalidBatchEntryId",
    "InvalidMessageContents",
    "InvalidParameterCombination",
    "InvalidParameterValue",
    "MessageTooLong",
    "MissingParameter",
    "ReceiptHandleIsInvalid",
    "TooManyEntriesInBatchRequest",
    "UnsupportedOperation",
    // S3; the first one for events too
    "InvalidArgument",
    "EntityTooLarge",
    "InvalidRequest",
    "InvalidURI",
    "KeyTooLongError",
    "MetadataTooLarge",
];

/// What a failed call means to its caller. The text names the call and the service's code alone:
/// messages of services repeat what was sent.
pub(crate) fn port_error<E: ProvideErrorMetadata>(
    call: &str,
    error: &SdkError<E, HttpResponse>,
) -> PortError {
    match error {
        SdkError::ConstructionFailure(_) => {
            PortError::Broken(format!("{call}: the request cannot be built"))
        }
        SdkError::TimeoutError(_) => PortError::Unavailable(format!("{call}: timed out")),
        SdkError::DispatchFailure(_) => PortError::Unavailable(format!("{call}: unreachable")),
        SdkError::ResponseError(_) => PortError::Unavailable(format!("{call}: unreadable answer")),
        SdkError::ServiceError(refusal) => {
            let code = refusal.err().code().unwrap_or("no code");
            let text = format!("{call}: {code} ({})", refusal.raw().status().as_u16());
            if is_refusal(code) { PortError::Broken(text) } else { PortError::Unavailable(text) }
        }
        _ => PortError::Unavailable(format!("{call}: failed")),
    }
}

/// SQS says `AWS.SimpleQueueService.EmptyBatchRequest` to some clients, and the last word to others.
pub(crate) fn is_refusal(code: &str) -> bool {
    code.rsplit('.').next().is_some_and(|word| REFUSED.contains(&word))
}

#[cfg(test)]
mod tests;
